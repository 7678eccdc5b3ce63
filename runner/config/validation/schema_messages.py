"""Schema violations in words: what a JSON Schema does not allow in a file, and the way out.

The branch of a union that the writer meant is found first, so that the message is about what is actually wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from runner.config.yaml.document import NodeKey, NodePath, dotted_path
from runner.core.secrets import looks_secret
from runner.core.spelling import nearest

if TYPE_CHECKING:
    from runner.core.json_schema_explanation import Violation

_TYPE_NAMES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}
_MAX_HINTS = 100  # of misspelt keys: to look for what is like a name takes time
_BOUNDS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
}


class SchemaViolation(NamedTuple):
    """What a schema does not allow, at `path`; `at_key` when the last key of it is wrong, not its value."""

    path: NodePath
    message: str
    hint: str = ""
    at_key: bool = False


MORE_IS_WRONG = SchemaViolation((), "more is wrong with this file than is told here; the rest of it was not checked")
"""Stands at the end of a list that was cut off."""


def worded(violations: Iterable[Violation], value: Any, root: Mapping[str, Any]) -> Iterator[SchemaViolation]:
    """The violations by `value` of the schema `root`, in the words of someone who writes such files."""
    hints_left = _MAX_HINTS
    for violation in violations:
        path, keyword, node = violation.path, violation.keyword, violation.schema
        if keyword == "anyOf":
            yield from _union_violations(violation, value, root)
        elif keyword == "additionalProperties":
            for key in violation.names:
                hints_left -= 1
                hint = _key_hint(path, key, node, root) if hints_left >= 0 else ""
                yield SchemaViolation((*path, key), _unknown(path, key), hint, at_key=True)
        elif keyword == "required":
            missing = violation.names[0]
            yield SchemaViolation((*path, missing), f"{dotted_path((*path, missing))}: required, and missing")
        elif keyword == "propertyNames":
            key = violation.names[0]
            yield SchemaViolation(
                (*path, key), f"{dotted_path((*path, key))}: not a name that can stand here", at_key=True
            )
        else:
            message, hint = _message_and_hint(keyword, _value_at(value, path), node, violation.message)
            yield SchemaViolation(path, f"{dotted_path(path)}: {message}" if path else message, hint)


def _key_hint(path: NodePath, key: str, node: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    return nearest(key, node.get("properties", ())) or ("" if path else _parent_hint(key, root))


def _unknown(path: NodePath, key: str) -> str:
    return f"{dotted_path((*path, key))}: unknown {'option' if path else 'key'}"


def _parent_hint(key: str, root: Mapping[str, Any]) -> str:
    """Where a key of the top level belongs, if one of the mappings there has it."""
    for name, node in root["properties"].items():
        definition = node.get("$ref", "").removeprefix("#/$defs/")
        if key in root["$defs"].get(definition, node).get("properties", ()):
            return f"it belongs under {name}:"
    return ""


def _union_violations(violation: Violation, value: Any, root: Mapping[str, Any]) -> Iterator[SchemaViolation]:
    """The violations of the branch that was meant, or what the union allows where none was."""
    path, node, branches = violation.path, violation.schema, violation.branches
    where, part = dotted_path(path), _value_at(value, path)
    known = [key for branch in node["anyOf"] for key in branch.get("required", ())]
    keys = list(part) if isinstance(part, dict) else []
    kinds = [key for key in keys if key in known]
    if all(_is_at(failure, path, "required") for branch in branches for failure in branch):
        yield SchemaViolation(path, f"{where}: needs {' or '.join(f'{key}:' for key in known)}")
    elif len(kinds) > 1:
        both = " and ".join(f"{key}:" for key in kinds)
        yield SchemaViolation((*path, kinds[1]), f"{where}: {both} stand in one entry", "write one each", at_key=True)
    elif intended := _intended_branch(branches, path):
        yield from worded(intended, value, root)
    elif keys and (hint := nearest(keys[0], known)):
        yield SchemaViolation((*path, keys[0]), _unknown(path, keys[0]), hint, at_key=True)
    else:
        expected = node.get("title") or _type_names(branch.get("type", "object") for branch in node["anyOf"])
        if keys and known and not kinds:
            yield SchemaViolation((*path, keys[0]), _unknown(path, keys[0]), f"expected {expected}", at_key=True)
        else:
            yield SchemaViolation(path, f"{where}: expected {expected}, not {_shown_value(part)}")


def _intended_branch(branches: Sequence[Sequence[Violation]], path: NodePath) -> Sequence[Violation]:
    """The errors of the branch that fits the value's kind, and the key that it must have."""
    fitting = [branch for branch in branches if not _is_other_type(branch, path)]
    if len(fitting) > 1:
        fitting = [branch for branch in fitting if not any(_is_at(violation, path, "required") for violation in branch)]
    return fitting[0] if fitting else ()


def _is_other_type(branch: Sequence[Violation], path: NodePath) -> bool:
    return any(_is_at(violation, path, "type") or _is_at(violation, path, "const") for violation in branch)


def _is_at(violation: Violation, path: NodePath, keyword: str) -> bool:
    return violation.keyword == keyword and violation.path == path


def _message_and_hint(keyword: str, value: Any, node: Mapping[str, Any], otherwise: str) -> tuple[str, str]:
    """What is wrong with a value, and the way out."""
    if keyword == "type":
        return _type_message(value, node["type"])
    if keyword == "enum":
        choices = [choice if isinstance(choice, str) else str(choice).lower() for choice in node["enum"]]
        hint = nearest(value, choices) if isinstance(value, str) else ""
        return f"{_shown_value(value)} is none of {', '.join(choices)}", hint
    if keyword in _BOUNDS:
        return f"must be {_BOUNDS[keyword]} {node[keyword]}, not {_shown_value(value)}", ""
    if keyword == "pattern":
        return f"{_shown_value(value)} does not fit", node.get("description", "")
    if keyword in ("minLength", "minItems", "minProperties"):
        return "must not be empty", ""
    if keyword == "maxItems":
        return f"takes at most {node[keyword]} entries, not {len(value)}", ""
    if keyword == "maxProperties":
        return f"takes {node[keyword]} key, not {len(value)}", ""
    return otherwise, ""


def _type_message(value: Any, expected: str | Sequence[str]) -> tuple[str, str]:
    kinds = [expected] if isinstance(expected, str) else list(expected)
    hint = ""
    if "string" in kinds and isinstance(value, bool | int | float):
        hint = "quote it"
    elif "array" in kinds and isinstance(value, str):
        hint = f"write [{value}]"
    return f"expected {_type_names(kinds)}, not {_shown_value(value)}", hint


def _type_names(kinds: Iterable[Any]) -> str:
    flat = [name for kind in kinds for name in ([kind] if isinstance(kind, str) else kind)]
    return " or ".join(dict.fromkeys(_TYPE_NAMES[name] for name in flat))


def _shown_value(value: Any) -> str:
    """A value in a message; never long, and never a text that may be a secret."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return repr(value) if len(value) <= 40 and not looks_secret(value) else "this text"
    if isinstance(value, int | float):
        return str(value)[:40]
    return _TYPE_NAMES["array" if isinstance(value, list) else "object"]


def _value_at(value: Any, path: Iterable[NodeKey]) -> Any:
    for key in path:
        value = value[key]
    return value
