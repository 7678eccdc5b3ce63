"""One YAML document: its value, and the line and column of every part of it, looked up when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from runner.config.diagnostics import SourceMap, Span

NodeKey = str | int
NodePath = tuple[NodeKey, ...]
"""The keys and positions that lead to a node from the root."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file: its value, and the span of every part of it. `path` is the file as the user named it."""

    path: str
    text: str = field(repr=False)
    value: Any
    root: Node | None = field(default=None, repr=False, compare=False)

    def node(self, path: NodePath) -> Node | None:
        """The node at `path`, None where there is none."""
        node = self.root
        for key in path:
            node = _child(node, key)
        return node

    def span(self, path: NodePath) -> Span | None:
        """Where the value at `path` stands."""
        return None if (node := self.node(path)) is None else span_of(node)

    def key_span(self, path: NodePath) -> Span | None:
        """Where the last key of `path` stands; for an item of a list, the item."""
        if path and isinstance(parent := self.node(path[:-1]), MappingNode):
            found = _by_key(parent).get(path[-1])
            return None if found is None else span_of(found[0])
        return self.span(path)

    def source_map(self, path: NodePath) -> SourceMap:
        """How the text at `path` lies in the file: block, folded, quoted or plain, over as many lines as it has."""
        node = self.node(path)
        if not isinstance(node, ScalarNode) or not node.start_mark:
            return ()
        known: SourceMap | None = getattr(node, "source_map", None)  # kept there, since a text may have many problems
        if known is None:
            known = node.source_map = tuple(_source_segments(node, self.text))  # type: ignore[attr-defined]
        return known


def span_of(node: Node) -> Span:
    """Where a node stands."""
    start, end = node.start_mark, node.end_mark
    if start is None:  # from the command line
        return Span(0, 0, 1)
    length = end.column - start.column if end.line == start.line else 1
    return Span(start.line + 1, start.column + 1, max(1, length))


def _child(node: Node | None, key: NodeKey) -> Node | None:
    if isinstance(node, MappingNode):
        found = _by_key(node).get(key)
        return None if found is None else found[1]
    if isinstance(node, SequenceNode) and isinstance(key, int) and key < len(node.value):
        child: Node = node.value[key]
        return child
    return None


def _by_key(node: MappingNode) -> dict[NodeKey, tuple[Node, Node]]:
    """The first pair of nodes of each key; kept at the node, since a file may have thousands of keys and problems."""
    known: dict[NodeKey, tuple[Node, Node]] | None = getattr(node, "by_key", None)
    if known is None:
        known = {}
        for key, value in node.value:
            if isinstance(key, ScalarNode):
                known.setdefault(key.value, (key, value))
        node.by_key = known  # type: ignore[attr-defined]
    return known


def _source_segments(node: ScalarNode, source: str) -> Iterator[tuple[int, int, int]]:
    """Find each source line's words, in order, in the value; a line that holds escapes is passed over."""
    start, end = node.start_mark, node.end_mark
    lines = _source_lines(source)[start.line : end.line + 1]
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


@lru_cache(maxsize=2)
def _source_lines(source: str) -> list[str]:
    return source.split("\n")


def position_at(source_map: SourceMap, offset: int) -> tuple[int, int] | None:
    """Line and column of the file for an offset of the text that `source_map` is of."""
    from bisect import bisect_right  # lazy

    at = bisect_right(source_map, (offset, 1 << 60, 0)) - 1
    if at < 0:
        return None
    begin, line, column = source_map[at]
    return line, column + offset - begin


def dotted_path(path: NodePath) -> str:
    """A path as people write it: `tools[0].files.root`."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text
