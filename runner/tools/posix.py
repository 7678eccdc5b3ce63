"""What only a POSIX system has: groups of processes, and folders that are opened without following links."""

from __future__ import annotations

import os

from runner.core.errors import UsageError


def require_posix(what: str, *names: str) -> None:
    """Raise UsageError where the module `os` lacks one of the names, as on Windows."""
    if not all(hasattr(os, name) for name in names):
        raise UsageError(
            f"{what} need a POSIX system",
            why="this one has no process groups and cannot open a folder without following links",
            fix="run agent-run on Linux or macOS, or in WSL",
        )
