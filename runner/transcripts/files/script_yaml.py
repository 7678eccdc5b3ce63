"""A script as YAML text: the first document of a transcript that was made from a chat."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from yaml import Node

from runner.transcripts.files.yaml_style import block_mapping, block_sequence, flow_node, node_text, value_node

# What a template would read as its own: its delimiters, and a carriage return, which it writes as a line feed.
_TEMPLATE_SYNTAX = re.compile(r"\{[{%#]|\r")
_ESCAPED = re.compile(r"\{+[%#]?|\r+")


def template_of(text: str) -> str:
    """A template that renders to this text."""
    if not _TEMPLATE_SYNTAX.search(text):
        return text
    return _ESCAPED.sub(lambda match: f"{{{{ {match[0]!r} }}}}", text)


def script_document(items: Iterable[tuple[str, Any]]) -> str:
    """The document of these keys and JSON values: one key a line at the top and in turns, the rest on one line."""
    nodes = ((key, block_sequence(map(_turn, value)) if key == "turns" else value_node(value)) for key, value in items)
    return node_text(block_mapping(nodes))


def _turn(turn: Mapping[str, Any]) -> Node:
    return block_mapping(
        (key, block_sequence(map(flow_node, value)) if key == "expect" else value_node(value))
        for key, value in turn.items()
    )
