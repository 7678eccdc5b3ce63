"""One YAML document: its value, and the line and column of every part of it, looked up when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

Key = str | int
Span = tuple[int, int, int]
"""Line and column from 1, and the length of what stands there."""
Run = tuple[int, int, int]
"""From this offset of a text on, it stands at this line and column of the file."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file: its value, and the place of every part of it. `path` is the file as the user named it."""

    path: str
    text: str = field(repr=False)
    value: Any
    root: Node | None = field(default=None, repr=False, compare=False)

    def node(self, path: Sequence[Key]) -> Node | None:
        """The node at `path`, None where there is none."""
        found = self.root
        for key in path:
            found = _child(found, key)
        return found

    def span(self, path: Sequence[Key]) -> Span | None:
        """Where the value at `path` stands."""
        return None if (found := self.node(path)) is None else span_of(found)

    def key_span(self, path: Sequence[Key]) -> Span | None:
        """Where the last key of `path` stands; for an item of a list, the item."""
        if path and isinstance(parent := self.node(path[:-1]), MappingNode):
            for key, _ in parent.value:
                if key.value == path[-1]:
                    return span_of(key)
            return None
        return self.span(path)

    def runs(self, path: Sequence[Key]) -> tuple[Run, ...]:
        """How the text at `path` lies in the file: block, folded, quoted or plain, over as many lines as it has."""
        node = self.node(path)
        return tuple(_runs(node, self.text)) if isinstance(node, ScalarNode) and node.start_mark else ()


def span_of(node: Node) -> Span:
    """Where a node stands."""
    start, end = node.start_mark, node.end_mark
    if start is None:  # from the command line
        return 0, 0, 1
    length = end.column - start.column if end.line == start.line else 1
    return start.line + 1, start.column + 1, max(1, length)


def _child(node: Node | None, key: Key) -> Node | None:
    if isinstance(node, MappingNode):
        return next((value for each, value in node.value if each.value == key), None)
    if isinstance(node, SequenceNode) and isinstance(key, int) and key < len(node.value):
        child: Node = node.value[key]
        return child
    return None


def _runs(node: ScalarNode, source: str) -> Iterator[Run]:
    """Find each source line's words, in order, in the value; a line that holds escapes is passed over."""
    start, end = node.start_mark, node.end_mark
    lines = source.split("\n")[start.line : end.line + 1]
    cursor = 0
    for number, line in enumerate(lines):
        first = 0
        if number == 0:
            if node.style in ("|", ">"):
                continue
            first = start.column + (node.style in ("'", '"'))
        piece = line[first : end.column if number == end.line - start.line else None].strip()
        if node.style in ("'", '"') and number == end.line - start.line:
            piece = piece[:-1]
        at = node.value.find(piece, cursor) if piece else -1
        if at >= 0:
            yield at, start.line + number + 1, line.index(piece, first) + 1
            cursor = at + len(piece)


def place_in(runs: Sequence[Run], offset: int) -> tuple[int, int] | None:
    """Line and column of the file for an offset of the text that `runs` describe."""
    from bisect import bisect_right  # lazy

    at = bisect_right(runs, (offset, 1 << 60, 0)) - 1
    if at < 0:
        return None
    begin, line, column = runs[at]
    return line, column + offset - begin
