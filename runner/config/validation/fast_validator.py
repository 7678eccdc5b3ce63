"""A quick yes: whether a value surely keeps a schema, without importing a validator.

An agent file is small and nearly always right, and the library that judges it costs more to import than all of its
reading. What is not surely right here, or uses a keyword that is not known here, the library decides and explains.
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


def surely_fits(value: Any, node: Node, root: Node) -> bool:
    """True if `value` keeps the schema `node`, whose references lead into `root`; False also means not known."""
    for keyword, given in node.items():
        if keyword in _ANNOTATIONS:
            continue
        rule = _RULES.get(keyword)
        if rule is None or not rule(value, given, node, root):
            return False
    return True


def _type(value: Any, given: Any, node: Node, root: Node) -> bool:
    return any(_is(value, name) for name in ((given,) if isinstance(given, str) else given))


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    return name != "boolean" and isinstance(value, _TYPES[name])


def _properties(value: Any, given: Any, node: Node, root: Node) -> bool:
    return not isinstance(value, dict) or all(
        key not in value or surely_fits(value[key], inner, root) for key, inner in given.items()
    )


def _others(value: Any, given: Any, node: Node, root: Node) -> bool:
    if not isinstance(value, dict):
        return True
    others = value.keys() - node.get("properties", {}).keys()
    return not others if given is False else all(surely_fits(value[key], given, root) for key in others)


def _reference(value: Any, given: str, node: Node, root: Node) -> bool:
    return surely_fits(value, root["$defs"][given.removeprefix("#/$defs/")], root)


def _size(kind: Any, least: bool) -> Rule:
    def holds(value: Any, given: int, node: Node, root: Node) -> bool:
        return not isinstance(value, kind) or (len(value) >= given if least else len(value) <= given)

    return holds


def _bound(holds: Callable[[Any, Any], bool]) -> Rule:
    return lambda value, given, node, root: not _is(value, "number") or holds(value, given)


_RULES: Mapping[str, Rule] = {
    "type": _type,
    "properties": _properties,
    "additionalProperties": _others,
    "$ref": _reference,
    "required": lambda value, given, node, root: not isinstance(value, dict) or all(key in value for key in given),
    "items": lambda value, given, node, root: (
        not isinstance(value, list) or all(surely_fits(each, given, root) for each in value)
    ),
    "propertyNames": lambda value, given, node, root: (
        not isinstance(value, dict) or all(surely_fits(key, given, root) for key in value)
    ),
    "anyOf": lambda value, given, node, root: any(surely_fits(value, each, root) for each in given),
    "enum": lambda value, given, node, root: any(type(value) is type(each) and value == each for each in given),
    "const": lambda value, given, node, root: type(value) is type(given) and value == given,
    "pattern": lambda value, given, node, root: not isinstance(value, str) or bool(re.search(given, value)),
    "minimum": _bound(lambda value, given: value >= given),
    "maximum": _bound(lambda value, given: value <= given),
    "exclusiveMinimum": _bound(lambda value, given: value > given),
    "minLength": _size(str, least=True),
    "minItems": _size(list, least=True),
    "minProperties": _size(dict, least=True),
    "maxProperties": _size(dict, least=False),
}
