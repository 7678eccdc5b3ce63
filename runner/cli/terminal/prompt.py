"""The plain prompt: a line at a time, with the line editing that the system's readline gives."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress


def read_lines(prompt: str) -> Iterator[str]:
    """What the user types, until end of input or until the terminal is gone. ^C raises KeyboardInterrupt."""
    with suppress(ImportError):
        import readline  # noqa: F401 - lazy; importing it is what gives input() its line editing
    while True:
        try:
            line = input(prompt) if sys.stdout.isatty() else _ask_on_stderr(prompt)
        except EOFError:
            with suppress(OSError):
                print(file=sys.stderr)
            return
        yield line


def _ask_on_stderr(prompt: str) -> str:
    sys.stderr.write(prompt)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line
