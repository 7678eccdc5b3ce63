"""Updating literal expectations in place: the value is replaced, every other byte of the script stays."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from yaml import MappingNode, Node, ScalarNode, SequenceNode

from runner.config.diagnostics import Location
from runner.config.yaml.parser import load_documents
from runner.transcripts.files.documents import read_verbatim, split_documents, write_atomically
from runner.transcripts.files.script_yaml import template_of
from runner.transcripts.files.yaml_style import inline
from runner.transcripts.outcome import Finding


def renew_expectations(path: Path, findings: Iterable[Finding]) -> int:
    """Replace each failing literal by the actual value; how many there were. Raises UsageError."""
    script, *recordings = split_documents(read_verbatim(path))
    root = load_documents(path, text=script)[0].root
    edits = []
    for finding in findings:
        if finding.level == "fail" and finding.actual is not None:
            node = _value_at(root, finding.kind, finding.location)
            if isinstance(node, ScalarNode):
                edits.append((node.start_mark.index, node.end_mark.index, finding.actual))
    # From the last to the first, so that the offsets of those before stay right.
    for start, end, actual in sorted(edits, reverse=True):
        newline = "\n" if script[start:end].endswith("\n") else ""
        literal = inline(template_of(actual) if isinstance(actual, str) else actual)
        script = script[:start] + literal + newline + script[end:]
    if edits:
        write_atomically(path, script + "".join(recordings))
    return len(edits)


def _value_at(node: Node | None, key: str, location: Location) -> Node | None:
    """The value of the key that stands at this location, in the node or below."""
    children: Iterable[Any] = ()
    if isinstance(node, MappingNode):
        for name, value in node.value:
            mark = name.start_mark
            if name.value == key and (mark.line + 1, mark.column + 1) == (location.line, location.column):
                return value  # type: ignore[no-any-return]
        children = (value for _, value in node.value)
    elif isinstance(node, SequenceNode):
        children = node.value
    values = (_value_at(child, key, location) for child in children)
    return next((value for value in values if value is not None), None)
