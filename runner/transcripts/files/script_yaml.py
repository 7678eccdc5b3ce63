"""A script as YAML text: the first document of a transcript that was made from a chat."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from yaml import Node

from runner.transcripts.files.yaml_style import block_mapping, block_sequence, flow_node, node_text, value_node


def script_document(items: Iterable[tuple[str, Any]]) -> str:
    """The document of these keys and JSON values: one key a line at the top and in turns, the rest on one line."""
    nodes = ((key, block_sequence(map(_turn, value)) if key == "turns" else value_node(value)) for key, value in items)
    return node_text(block_mapping(nodes))


def _turn(turn: Mapping[str, Any]) -> Node:
    return block_mapping(
        (key, block_sequence(map(flow_node, value)) if key == "expect" else value_node(value))
        for key, value in turn.items()
    )
