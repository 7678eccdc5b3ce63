"""One thing that `doctor` looked at, and the exit code that all of them give."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

_PRECEDENCE = (2, 6, 4)


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """What was looked at, its state, and the text that explains it; no secret is in it.

    `blocks` is the exit code of an agent that cannot run for it, or 0.
    """

    topic: str
    name: str
    state: Literal["ok", "missing", "wrong"]
    says: str
    fix: str = ""
    blocks: int = 0


def exit_code(checks: Iterable[HealthCheck]) -> int:
    """0, or why the agent cannot run: 2 a file is wrong, 6 it is not trusted, 4 something that it needs is missing."""
    blocking = {check.blocks for check in checks}
    return next((code for code in _PRECEDENCE if code in blocking), 0)
