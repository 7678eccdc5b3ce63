"""JSON Schemas cut down to what servers take: a schema that one of them refuses would cost every turn a 400."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_LARGEST = 10_000
_DEFINITIONS = ("$defs", "definitions")
_FORMATS = frozenset({"date-time", "enum", "double", "float", "int32", "int64"})
_GEMINI_KEYS = (
    "title",
    "description",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "pattern",
)
_ANTHROPIC_KEYS = frozenset(
    {"type", "enum", "const", "anyOf", "allOf", "description", "title", "properties", "required", "items", "format"}
)
_ANTHROPIC_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_TYPES: Mapping[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    type(None): "null",
}


def parameters(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A tool's parameters as one plain object: references written out, alternatives at the top united."""
    plain = inlined(schema)
    for word in ("anyOf", "oneOf", "allOf"):
        branches = [each for each in plain.pop(word, ()) if isinstance(each, dict)]
        if branches:
            plain = _united(plain, branches, every=word == "allOf")
    plain["type"] = "object"
    if not isinstance(plain.get("properties"), dict):
        plain["properties"] = {}
    for word in ("$schema", *_DEFINITIONS):
        plain.pop(word, None)
    return plain


def inlined(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with each local `$ref` replaced by what it names; one that contains itself ends as "anything"."""
    written: dict[str, Any] = _Writer(schema).write(schema, ())
    for word in _DEFINITIONS:
        written.pop(word, None)
    return written


class _Writer:
    """Writes references out, up to a size: nested ones grow without bounds, and a hostile server's may."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._left = _LARGEST

    def write(self, part: Any, inside: tuple[str, ...]) -> Any:
        self._left -= 1
        if isinstance(part, list | tuple):
            return [self.write(each, inside) for each in part]
        if not isinstance(part, Mapping):
            return part
        reference = part.get("$ref")
        if not isinstance(reference, str):
            return {key: self.write(value, inside) for key, value in part.items()}
        beside = {key: self.write(value, inside) for key, value in part.items() if key != "$ref"}
        if reference in inside or self._left < 0:
            return beside
        target = self.write(_named(reference, self._root), (*inside, reference))
        return {**target, **beside} if isinstance(target, dict) else beside


def closed(schema: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The schema as Anthropic takes it: each object closed, constraints it refuses left out.

    None where there is none, and where an object may have members that the schema does not name.
    """
    if schema is None:
        return None
    plain = inlined(schema)
    return None if is_open(plain) else _closed(plain)


def is_open(schema: Any) -> bool:
    """Whether some object has members that are not named: a closed one would have to stay empty."""
    return any(
        (_is_object(part) and not part.get("properties")) or isinstance(part.get("additionalProperties"), dict)
        for part in _parts(schema)
    )


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return {} if schema is True else schema
    if "oneOf" in schema:
        schema = {"anyOf": schema["oneOf"]} | schema
    kept = {key: value for key, value in schema.items() if key in _ANTHROPIC_KEYS}
    for key in ("anyOf", "allOf", "items"):
        if key in kept:
            kept[key] = _closed(kept[key])
    if kept.get("format", "date") not in _ANTHROPIC_FORMATS:
        del kept["format"]
    if _is_object(kept):
        kept["properties"] = {name: _closed(each) for name, each in kept.get("properties", {}).items()}
        kept["additionalProperties"] = False
    return kept


def strict(schema: Any) -> bool:
    """Whether OpenAI's strict mode takes the schema as it stands: objects closed, every property required."""
    return all(
        part.get("additionalProperties") is False and set(part.get("required", ())) == set(part.get("properties", ()))
        for part in _parts(schema)
        if _is_object(part)
    )


def openapi(schema: Any) -> dict[str, Any]:
    """The OpenAPI 3.0 schema that Gemini takes; what it has no words for is left out."""
    if not isinstance(schema, dict):
        return {"type": "STRING"}
    if every := [part for part in schema.get("allOf") or () if isinstance(part, dict)]:
        schema = _united({key: value for key, value in schema.items() if key != "allOf"}, every, every=True)
    branches, nullable = _alternatives(schema)
    said = {key: schema[key] for key in _GEMINI_KEYS if key in schema}
    if len(branches) == 1:
        said = openapi(branches[0]) | said
    elif branches:
        said["anyOf"] = [openapi(branch) for branch in branches]
    else:
        said |= _openapi_plain(schema)
    if nullable:
        said["nullable"] = True
    return said


def _alternatives(schema: Mapping[str, Any]) -> tuple[list[Any], bool]:
    """What a schema leaves the choice of, without null, and whether null is among it."""
    branches = list(schema.get("anyOf") or schema.get("oneOf") or ())
    if isinstance(schema.get("type"), list):
        branches = [{**schema, "type": each} for each in schema["type"]]
    real = [each for each in branches if not (isinstance(each, dict) and each.get("type") == "null")]
    return real, len(real) < len(branches)


def _openapi_plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    kind = _type_of(schema)
    said: dict[str, Any] = {"type": kind.upper()}
    choices = [schema["const"]] if "const" in schema else schema.get("enum")
    if choices and kind == "string":
        said["enum"] = [str(each) for each in choices if each is not None]
    elif choices:
        said["description"] = f"{schema.get('description', '')} One of: {', '.join(map(str, choices))}.".strip()
    if schema.get("format") in _FORMATS:
        said["format"] = schema["format"]
    if kind == "array":
        said["items"] = openapi(_item(schema))
    properties = schema.get("properties")
    if kind == "object" and isinstance(properties, dict) and properties:
        said["properties"] = {name: openapi(each) for name, each in properties.items()}
        said["required"] = [name for name in schema.get("required", ()) if name in properties]
    return {key: value for key, value in said.items() if value != []}


def _type_of(schema: Mapping[str, Any]) -> str:
    if isinstance(schema.get("type"), str):
        return str(schema["type"])
    if "properties" in schema:
        return "object"
    if "items" in schema or "prefixItems" in schema:
        return "array"
    choices = [schema["const"]] if "const" in schema else schema.get("enum")
    return _TYPES.get(type(choices[0]), "string") if choices else "string"


def _item(schema: Mapping[str, Any]) -> Any:
    items = schema.get("items", schema.get("prefixItems"))
    return {"anyOf": items} if isinstance(items, list) and items else items


def _united(schema: Mapping[str, Any], branches: list[dict[str, Any]], *, every: bool) -> dict[str, Any]:
    """One object with the properties of all branches; required is what all of them ask for, or any if `every`."""
    properties = dict(schema.get("properties") or {})
    asked = [set(branch.get("required", ())) for branch in branches]
    required = set(schema.get("required", ())) | (set.union(*asked) if every else set.intersection(*asked))
    merged = dict(schema)
    for branch in branches:
        properties |= branch.get("properties") or {}
        merged = {**branch, **merged}
    merged["properties"] = properties
    merged["required"] = sorted(required)
    return {key: value for key, value in merged.items() if value or key not in ("properties", "required")}


def _named(reference: str, root: Mapping[str, Any]) -> Any:
    """What a reference within the schema names; anything where it leads elsewhere."""
    found: Any = root
    path, _, fragment = reference.partition("#")
    if path:
        return {}
    for key in filter(None, fragment.split("/")):
        name = key.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, Mapping) else None
    return {} if found is None else found


def _is_object(part: Mapping[str, Any]) -> bool:
    kind = part.get("type")
    return "properties" in part or kind == "object" or (isinstance(kind, list) and "object" in kind)


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from _parts(value)
    elif isinstance(schema, list):
        for each in schema:
            yield from _parts(each)
