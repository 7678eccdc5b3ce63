"""The three streams of the process, made so that no text and no closed end is an error of ours."""

from __future__ import annotations

import io
import os
import re
import sys
from typing import Any, TextIO

_COLOUR = r"(\x1b\[[0-9;]*m)"

_replaced: list[TextIO] = []
"""Kept, since a stream that nobody holds closes its number, which by then is what has taken its place."""


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
    _replaced.append(stream)
    kept = open(os.dup(number), mode)  # noqa: SIM115 - it lives as long as we do
    os.dup2(instead, number)
    os.close(instead)
    return io.TextIOWrapper(kept, stream.encoding, stream.errors, line_buffering=bool(stream.line_buffering))


def print_text(text: str, *, err: bool = False, colour: bool = False, end: str = "\n") -> None:
    """Print lines that are not the model's answer: the one way out for whatever a file or a server says.

    `colour`: the text is coloured by us, and what it shows is escaped already.
    """
    stream = sys.stderr if err else sys.stdout
    shown = "".join(
        part if number % 2 else printable(part)
        for number, part in enumerate(re.split(_COLOUR, text) if colour else (text,))
    )
    encoding = stream.encoding or "utf-8"
    stream.write(shown.encode(encoding, "replace").decode(encoding) + end)
    stream.flush()


def printable(text: str) -> str:
    """The text without secrets, with each character that a terminal would obey or a reader not see by its escape."""
    from runner.core.sanitize import escape_hidden  # lazy, as the next: many runs print an answer alone
    from runner.core.secrets import redact_known

    text = escape_hidden(redact_known(text, os.environ))
    if os.environ.get("GITHUB_ACTIONS"):
        from runner.core.github_commands import disarm_commands  # lazy: only in a job of GitHub

        text = disarm_commands(text)
    return text


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """Print a JSON value for programs: nothing in it is a control to whoever shows it."""
    import json  # lazy: people read text

    from runner.core.sanitize import escape_json
    from runner.core.secrets import redact_known

    text = json.dumps(value, indent=indent, ensure_ascii=False, default=str)
    sys.stdout.write(escape_json(redact_known(text, os.environ)) + "\n")
