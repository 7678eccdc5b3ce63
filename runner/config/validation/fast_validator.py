"""Fast validation: whether a value is certainly valid, without importing a JSON Schema library.

An agent file is small and nearly always valid, and the library costs more to import than reading the file. What is not
certainly valid here, or uses a keyword that is not known here, the library decides and explains.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
_ANNOTATIONS = frozenset({"$defs", "$schema", "default", "description", "examples", "title"})

Node = Mapping[str, Any]
Rule = Callable[[Any, Any, Node, Node], bool]


def certainly_valid(value: Any, node: Node, root: Node) -> bool:
    """Whether `value` is valid under the schema `node` with references into `root`; False also means not known."""
    for keyword, expected in node.items():
        if keyword in _ANNOTATIONS:
            continue
        rule = _RULES.get(keyword)
        if rule is None or not rule(value, expected, node, root):
            return False
    return True


def _type(value: Any, expected: Any, node: Node, root: Node) -> bool:
    return any(_has_type(value, name) for name in ((expected,) if isinstance(expected, str) else expected))


def _has_type(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    return name != "boolean" and isinstance(value, _TYPES[name])


def _properties(value: Any, expected: Any, node: Node, root: Node) -> bool:
    return not isinstance(value, dict) or all(
        key not in value or certainly_valid(value[key], inner, root) for key, inner in expected.items()
    )


def _additional_properties(value: Any, expected: Any, node: Node, root: Node) -> bool:
    if not isinstance(value, dict):
        return True
    others = value.keys() - node.get("properties", {}).keys()
    return not others if expected is False else all(certainly_valid(value[key], expected, root) for key in others)


def _reference(value: Any, expected: str, node: Node, root: Node) -> bool:
    return certainly_valid(value, root["$defs"][expected.removeprefix("#/$defs/")], root)


def _length_limit(kind: Any, least: bool) -> Rule:
    def holds(value: Any, expected: int, node: Node, root: Node) -> bool:
        return not isinstance(value, kind) or (len(value) >= expected if least else len(value) <= expected)

    return holds


def _bound(holds: Callable[[Any, Any], bool]) -> Rule:
    return lambda value, expected, node, root: not _has_type(value, "number") or holds(value, expected)


_RULES: Mapping[str, Rule] = {
    "type": _type,
    "properties": _properties,
    "additionalProperties": _additional_properties,
    "$ref": _reference,
    "required": lambda value, expected, node, root: (
        not isinstance(value, dict) or all(key in value for key in expected)
    ),
    "items": lambda value, expected, node, root: (
        not isinstance(value, list) or all(certainly_valid(item, expected, root) for item in value)
    ),
    "propertyNames": lambda value, expected, node, root: (
        not isinstance(value, dict) or all(certainly_valid(key, expected, root) for key in value)
    ),
    "anyOf": lambda value, expected, node, root: any(certainly_valid(value, branch, root) for branch in expected),
    "enum": lambda value, expected, node, root: any(
        type(value) is type(choice) and value == choice for choice in expected
    ),
    "const": lambda value, expected, node, root: type(value) is type(expected) and value == expected,
    # A `$` of Python's also stands before a last line end, where JSON Schema's does not.
    "pattern": lambda value, expected, node, root: (
        not isinstance(value, str) or ("\n" not in value and bool(re.search(expected, value)))
    ),
    "minimum": _bound(lambda value, expected: value >= expected),
    "maximum": _bound(lambda value, expected: value <= expected),
    "exclusiveMinimum": _bound(lambda value, expected: value > expected),
    "minLength": _length_limit(str, least=True),
    "minItems": _length_limit(list, least=True),
    "maxItems": _length_limit(list, least=False),
    "minProperties": _length_limit(dict, least=True),
    "maxProperties": _length_limit(dict, least=False),
}
