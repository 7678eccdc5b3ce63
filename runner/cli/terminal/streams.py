"""The three streams of the process, made so that no text and no closed end is an error of ours."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO


def prepare() -> None:
    """What a stream's encoding cannot say is replaced; what goes to a closed stdout or stderr is dropped."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - it lives as long as we do
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    _keep_pipes_to_ourselves()


def _keep_pipes_to_ourselves() -> None:
    """Leave nothing behind the numbers 0 and 1 that a tool's code, or a program it starts, could take or spoil.

    At a terminal there is nothing to spoil, and line editing needs the numbers.
    """
    if _is_pipe(sys.stdin, 0):
        sys.stdin = _moved(sys.stdin, "rb", os.open(os.devnull, os.O_RDONLY))
    if _is_pipe(sys.stdout, 1) and isinstance(sys.stderr, io.TextIOWrapper):
        sys.stdout = _moved(sys.stdout, "wb", os.dup(sys.stderr.fileno()))


def _is_pipe(stream: object, number: int) -> bool:
    return isinstance(stream, io.TextIOWrapper) and stream.fileno() == number and not stream.isatty()


def _moved(stream: TextIO, mode: str, instead: int) -> io.TextIOWrapper:
    """The stream under another number; `instead` takes the place of its own."""
    number = stream.fileno()
    kept = open(os.dup(number), mode)  # noqa: SIM115 - it lives as long as we do
    os.dup2(instead, number)
    os.close(instead)
    return io.TextIOWrapper(kept, stream.encoding, stream.errors, line_buffering=bool(stream.line_buffering))
