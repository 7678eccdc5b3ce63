"""Diagnostics: what is wrong with a file, and at which line and column; locations and spans in files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple

Severity = Literal["error", "warning"]


class Span(NamedTuple):
    """Line and column from 1, and the length of what stands there."""

    line: int
    column: int
    length: int


SourceMap = tuple[tuple[int, int, int], ...]
"""How a text lies in its file: each (offset, line, column) says where the text stands from that offset on."""
MOST_SHOWN = 1_000
"""How many diagnostics of one file are shown."""
WHOLE_FILE = Span(1, 1, 1)
"""Where nothing more exact is known."""


class Location(NamedTuple):
    """Where something stands in a file, for messages: `path:line`; the command line has no lines, and counts as 0."""

    path: Path
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else str(self.path)


class Diagnostic(NamedTuple):
    """What is wrong at one location, and in `hint` the way out.

    `line` and `column` count from 1, and are 0 where a whole file is meant; a caret underlines `length` characters.
    """

    path: str
    line: int
    column: int
    message: str
    hint: str = ""
    severity: Severity = "error"
    length: int = 1

    @property
    def where(self) -> str:
        return f"{self.path}:{self.line}:{self.column}" if self.line else self.path

    @property
    def text(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def __str__(self) -> str:
        return f"{self.where}: {self.severity}: {self.text}"


def sorted_diagnostics(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Each diagnostic once, by file, line and column; of a file with very many the first ones, and how many more."""
    shown: list[Diagnostic] = []
    for path, group in groupby(sorted(set(diagnostics)), lambda diagnostic: diagnostic.path):
        of_file = [*group]
        shown += of_file[:MOST_SHOWN]
        if more := of_file[MOST_SHOWN:]:
            severity: Severity = "error" if any(each.severity == "error" for each in more) else "warning"
            shown.append(Diagnostic(path, more[0].line, more[0].column, _and_more(more), severity=severity))
    return tuple(shown)


def _and_more(left_out: Sequence[Diagnostic]) -> str:
    """The words for those that are not told; of one that says so already, itself."""
    return f"and {len(left_out)} more problems" if len(left_out) > 1 else left_out[0].message
