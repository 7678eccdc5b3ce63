"""The three streams of the process, made so that no text and no closed end is an error of ours."""

from __future__ import annotations

import io
import os
import sys


def prepare() -> None:
    """What a stream's encoding cannot say is replaced; what goes to a closed stdout or stderr is dropped."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - it lives as long as we do
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
