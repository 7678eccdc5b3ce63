"""Literal expectations renewed where they stand: the value is replaced, every other byte of the script stays."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from yaml import MappingNode, Node, ScalarNode, SequenceNode

from runner.config.yaml.parser import load_documents
from runner.transcripts.files.documents import read_text, split, write_atomically
from runner.transcripts.files.yaml_style import inline
from runner.transcripts.outcome import Finding

RENEWABLE = frozenset({"text", "finish", "exit"})


def renewed_expectations(path: Path, findings: Iterable[Finding]) -> int:
    """Put what came in the place of each failing literal; how many there were."""
    text = read_text(path)
    script = split(text)[0]
    root = load_documents(path, text=script)[0].root
    edits = []
    for finding in findings:
        if finding.level == "fail" and finding.kind in RENEWABLE and finding.actual is not None:
            node = _value_at(root, finding.kind, finding.location.line, finding.location.column)
            if isinstance(node, ScalarNode):
                edits.append((node.start_mark.index, node.end_mark.index, finding.actual))
    for start, end, actual in sorted(edits, reverse=True):
        tail = "\n" if script[start:end].endswith("\n") else ""
        script = script[:start] + inline(actual) + tail + script[end:]
    if edits:
        write_atomically(path, script + "".join(split(text)[1:]))
    return len(edits)


def _value_at(node: Node | None, key: str, line: int, column: int) -> Node | None:
    """The value whose key stands at this place."""
    pairs: Iterable[Any] = ()
    if isinstance(node, MappingNode):
        for name, value in node.value:
            mark = name.start_mark
            if name.value == key and (mark.line + 1, mark.column + 1) == (line, column):
                return value  # type: ignore[no-any-return]
        pairs = (value for _, value in node.value)
    elif isinstance(node, SequenceNode):
        pairs = node.value
    return next((found for each in pairs if (found := _value_at(each, key, line, column)) is not None), None)
