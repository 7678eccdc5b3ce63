"""Whole numbers: `1e3` and `15.0` are floats in YAML; where a schema counts, they are the integers that they equal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Node = Mapping[str, Any]


def use_whole_numbers(value: Any, node: Node, root: Node) -> None:
    """Turn each float in the value that the schema `node` takes as an integer alone into one, in place.

    References of the schema are into `root`; the value is valid under it.
    """
    if _has_whole_float(value):
        _convert(value, [node], root)


def _has_whole_float(value: Any) -> bool:
    waiting = [value]
    for each in waiting:
        kind = type(each)
        if kind is dict:
            waiting += each.values()
        elif kind is list:
            waiting += each
        elif kind is float and each.is_integer():
            return True
    return False


def _convert(value: Any, nodes: Sequence[Node], root: Node) -> None:
    if not isinstance(value, (dict, list)):
        return
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(item, (dict, list)):
            _convert(item, [inner for node in nodes for inner in _inner(node, key, root)], root)
        elif isinstance(item, float) and item.is_integer():
            types = {kind for node in nodes for inner in _inner(node, key, root) for kind in _types(inner, root)}
            if "integer" in types and "number" not in types:
                value[key] = int(item)


def _inner(node: Node, key: Any, root: Node) -> Iterator[Node]:
    """The schemas of what stands at a key of an object or list under the schema."""
    for alternative in _alternatives(node, root):
        properties = alternative.get("properties", {})
        inner = alternative.get("items") if isinstance(key, int) else None
        if isinstance(key, str):
            inner = properties[key] if key in properties else alternative.get("additionalProperties")
        if isinstance(inner, Mapping):
            yield inner


def _types(node: Node, root: Node) -> Iterator[str]:
    for alternative in _alternatives(node, root):
        kind = alternative.get("type", ())
        yield from (kind,) if isinstance(kind, str) else kind


def _alternatives(node: Node, root: Node) -> Iterator[Node]:
    """The schema, and those that it refers to or offers as alternatives."""
    yield node
    if reference := node.get("$ref"):
        yield from _alternatives(root["$defs"][reference.removeprefix("#/$defs/")], root)
    for branch in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        yield from _alternatives(branch, root)
