"""The JSON Schemas: what editors complete from, and what a file's shape is held to.

A value that is right costs microseconds. Only on a no is each mistake put into words: the branch of a union that the
writer meant is found first, so that the message is about the actual mistake.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from runner.config.validation.fast_validator import surely_fits
from runner.config.yaml.document import NodeKey, NodePath
from runner.core.secrets import looks_secret
from runner.core.spelling import nearest

_NAMES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}
_BOUNDS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
}


@dataclass(frozen=True, slots=True)
class SchemaViolation:
    """What a schema does not allow, at `path`; `at_key` when the last key of it is the mistake, not its value."""

    path: NodePath
    message: str
    hint: str = ""
    at_key: bool = False


def schema_text(name: str) -> str:
    """The schema `agent` or `transcript` as it is shipped."""
    package = Path(__file__).parents[2]
    for folder in (package / "schemas", package.parent / "schemas"):  # the wheel's, the checkout's
        try:
            return (folder / f"{name}.schema.json").read_text("utf-8")
        except FileNotFoundError:
            continue
    raise FileNotFoundError(f"{name}.schema.json is missing from the installation")


@cache
def schema(name: str) -> Mapping[str, Any]:
    """The schema as a value."""
    import json  # lazy

    loaded: dict[str, Any] = json.loads(schema_text(name))
    return loaded


@cache
def _validator(name: str, definition: str) -> Any:
    import jsonschema_rs  # lazy

    whole = schema(name)
    return jsonschema_rs.validator_for(
        {"$defs": whole["$defs"], **whole["$defs"][definition]} if definition else dict(whole)
    )


def schema_violations(value: Any, name: str, definition: str = "") -> list[SchemaViolation]:
    """What the schema `name`, or one of its `$defs`, does not allow in `value`; nothing as a rule."""
    whole = schema(name)
    root = {**whole, **whole["$defs"][definition]} if definition else whole
    if _quick_look_is_cheaper(name) and surely_fits(value, whole["$defs"][definition] if definition else whole, whole):
        return []
    validator = _validator(name, definition)
    return [] if validator.is_valid(value) else list(_explain(validator.iter_errors(value), value, root))


def _quick_look_is_cheaper(name: str) -> bool:
    """Agent files are few; of transcripts there may be a thousand, and whoever has many brings the library along."""
    return name == "agent" or "jsonschema_rs" not in sys.modules


def _explain(errors: Iterable[Any], value: Any, root: Mapping[str, Any]) -> Iterator[SchemaViolation]:
    for error in errors:
        path = tuple(error.instance_path)
        keyword = error.kind.name
        node = _walk(root, error.schema_path[:-1])
        if keyword == "anyOf":
            yield from _union(error, value, root, node)
        elif keyword == "additionalProperties":
            for key in error.kind.unexpected:
                hint = nearest(key, node.get("properties", ())) or ("" if path else _elsewhere(key, root))
                yield SchemaViolation((*path, key), _unknown(path, key), hint, at_key=True)
        elif keyword == "required":
            missing = error.kind.property
            yield SchemaViolation((*path, missing), f"{dotted((*path, missing))}: required, and missing")
        elif keyword == "propertyNames":
            key = error.instance
            yield SchemaViolation((*path, key), f"{dotted((*path, key))}: not a name that can stand here", at_key=True)
        else:
            message, hint = _wrong(keyword, _walk(value, path), node, error.message)
            yield SchemaViolation(path, f"{dotted(path)}: {message}" if path else message, hint)


def _unknown(path: NodePath, key: str) -> str:
    return f"{dotted((*path, key))}: unknown {'option' if path else 'key'}"


def _elsewhere(key: str, root: Mapping[str, Any]) -> str:
    """Where a key that stands at the top belongs, if one of the mappings there has it."""
    for name, node in root["properties"].items():
        named = node.get("$ref", "").removeprefix("#/$defs/")
        if key in root["$defs"].get(named, node).get("properties", ()):
            return f"it belongs under {name}:"
    return ""


def _union(error: Any, value: Any, root: Mapping[str, Any], node: Mapping[str, Any]) -> Iterator[SchemaViolation]:
    """The mistakes of the branch that was meant, or what the union takes where none was."""
    path = tuple(error.instance_path)
    where, found, branches = dotted(path), _walk(value, path), error.kind.context
    known = [key for branch in node["anyOf"] for key in branch.get("required", ())]
    keys = list(found) if isinstance(found, dict) else []
    kinds = [key for key in keys if key in known]
    if all(_at(each, path, "required") for branch in branches for each in branch):
        yield SchemaViolation(path, f"{where}: needs {' or '.join(f'{key}:' for key in known)}")
    elif len(kinds) > 1:
        both = " and ".join(f"{key}:" for key in kinds)
        yield SchemaViolation((*path, kinds[1]), f"{where}: {both} stand in one entry", "write one each", at_key=True)
    elif meant := _meant(branches, path):
        yield from _explain(meant, value, root)
    elif keys and (hint := nearest(keys[0], known)):
        yield SchemaViolation((*path, keys[0]), _unknown(path, keys[0]), hint, at_key=True)
    else:
        expected = node.get("title") or _types(branch.get("type", "object") for branch in node["anyOf"])
        if keys and known and not kinds:
            yield SchemaViolation((*path, keys[0]), _unknown(path, keys[0]), f"expected {expected}", at_key=True)
        else:
            yield SchemaViolation(path, f"{where}: expected {expected}, not {_shown(found)}")


def _meant(branches: Sequence[Sequence[Any]], path: NodePath) -> Sequence[Any]:
    """The errors of the branch that fits the value's kind, and the key that it must have."""
    fitting = [branch for branch in branches if not _another_kind(branch, path)]
    if len(fitting) > 1:
        fitting = [branch for branch in fitting if not any(_at(each, path, "required") for each in branch)]
    return fitting[0] if fitting else ()


def _another_kind(branch: Sequence[Any], path: NodePath) -> bool:
    return any(_at(each, path, "type") or _at(each, path, "const") for each in branch)


def _at(error: Any, path: NodePath, keyword: str) -> bool:
    return error.kind.name == keyword and tuple(error.instance_path) == path


def _wrong(keyword: str, found: Any, node: Mapping[str, Any], otherwise: str) -> tuple[str, str]:
    """What is wrong with a value, and the way out."""
    if keyword == "type":
        return _wrong_type(found, node["type"])
    if keyword == "enum":
        choices = [each if isinstance(each, str) else str(each).lower() for each in node["enum"]]
        hint = nearest(found, choices) if isinstance(found, str) else ""
        return f"{_shown(found)} is none of {', '.join(choices)}", hint
    if keyword in _BOUNDS:
        return f"must be {_BOUNDS[keyword]} {node[keyword]}, not {_shown(found)}", ""
    if keyword == "pattern":
        return f"{_shown(found)} does not fit", node.get("description", "")
    if keyword in ("minLength", "minItems", "minProperties"):
        return "must not be empty", ""
    if keyword == "maxProperties":
        return f"takes {node[keyword]} key, not {len(found)}", ""
    return otherwise, ""


def _wrong_type(found: Any, expected: str | Sequence[str]) -> tuple[str, str]:
    kinds = [expected] if isinstance(expected, str) else list(expected)
    hint = ""
    if "string" in kinds and isinstance(found, bool | int | float):
        hint = "quote it"
    elif "array" in kinds and isinstance(found, str):
        hint = f"write [{found}]"
    return f"expected {_types(kinds)}, not {_shown(found)}", hint


def _types(kinds: Iterable[Any]) -> str:
    flat = [each for kind in kinds for each in ([kind] if isinstance(kind, str) else kind)]
    return " or ".join(dict.fromkeys(_NAMES[each] for each in flat))


def _shown(found: Any) -> str:
    """A value in a message; never long, and never a text that may be a secret."""
    if found is None:
        return "nothing"
    if isinstance(found, bool):
        return str(found).lower()
    if isinstance(found, str):
        return repr(found) if len(found) <= 40 and not looks_secret(found) else "this text"
    if isinstance(found, int | float):
        return str(found)[:40]
    return _NAMES["array" if isinstance(found, list) else "object"]


def dotted(path: NodePath) -> str:
    """A path as people write it: `tools[0].files.root`."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def _walk(value: Any, path: Iterable[NodeKey]) -> Any:
    for key in path:
        value = value[key]
    return value
