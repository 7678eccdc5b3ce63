"""JSON Schemas cut down to what servers take: a schema that one of them refuses would cost every request a 400."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.core.schema_refs import inline_refs_leniently

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


def parameters_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A tool's parameters as one flat object: references written out, alternatives at the top merged."""
    flat = inline_refs_leniently(schema)
    for keyword in ("anyOf", "oneOf", "allOf"):
        branches = [branch for branch in flat.pop(keyword, ()) if isinstance(branch, dict)]
        if branches:
            flat = _merged(flat, branches, every=keyword == "allOf")
    flat["type"] = "object"
    if not isinstance(flat.get("properties"), dict):
        flat["properties"] = {}
    return flat


def close_objects(schema: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The schema as Anthropic takes it: each object closed, constraints it refuses left out.

    None where there is none, and where an object may have members that the schema does not name.
    """
    if schema is None:
        return None
    inlined = inline_refs_leniently(schema)
    return None if is_open(inlined) else _close(inlined)


def is_open(schema: Any) -> bool:
    """Whether some object has members that are not named: a closed one would have to stay empty."""
    return any(
        (_is_object(part) and not part.get("properties")) or isinstance(part.get("additionalProperties"), dict)
        for part in _subschemas(schema)
    )


def _close(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_close(item) for item in schema]
    if not isinstance(schema, dict):
        return {} if schema is True else schema
    if "oneOf" in schema:
        schema = {"anyOf": schema["oneOf"]} | schema
    closed = {key: value for key, value in schema.items() if key in _ANTHROPIC_KEYS}
    for key in ("anyOf", "allOf", "items"):
        if key in closed:
            closed[key] = _close(closed[key])
    if closed.get("format", "date") not in _ANTHROPIC_FORMATS:
        del closed["format"]
    if _is_object(closed):
        closed["properties"] = {name: _close(member) for name, member in closed.get("properties", {}).items()}
        closed["additionalProperties"] = False
    return closed


def is_strict(schema: Any) -> bool:
    """Whether OpenAI's strict mode takes the schema as it stands: objects closed, every property required."""
    return all(
        part.get("additionalProperties") is False and set(part.get("required", ())) == set(part.get("properties", ()))
        for part in _subschemas(schema)
        if _is_object(part)
    )


def to_openapi(schema: Any) -> dict[str, Any]:
    """The OpenAPI 3.0 schema that Gemini takes; what that cannot express is left out."""
    if not isinstance(schema, dict):
        return {"type": "STRING"}
    if parts := [part for part in schema.get("allOf") or () if isinstance(part, dict)]:
        schema = _merged({key: value for key, value in schema.items() if key != "allOf"}, parts, every=True)
    branches, nullable = _alternatives(schema)
    result = {key: schema[key] for key in _GEMINI_KEYS if key in schema}
    if len(branches) == 1:
        result = to_openapi(branches[0]) | result
    elif branches:
        result["anyOf"] = [to_openapi(branch) for branch in branches]
    else:
        result |= _single_to_openapi(schema)
    if nullable:
        result["nullable"] = True
    return result


def _alternatives(schema: Mapping[str, Any]) -> tuple[list[Any], bool]:
    """What a schema leaves the choice of, without null, and whether null is among it."""
    branches = list(schema.get("anyOf") or schema.get("oneOf") or ())
    if isinstance(schema.get("type"), list):
        branches = [{**schema, "type": name} for name in schema["type"]]
    others = [branch for branch in branches if not (isinstance(branch, dict) and branch.get("type") == "null")]
    return others, len(others) < len(branches)


def _single_to_openapi(schema: Mapping[str, Any]) -> dict[str, Any]:
    type_name = _type_of(schema)
    result: dict[str, Any] = {"type": type_name.upper()}
    choices = [schema["const"]] if "const" in schema else schema.get("enum")
    if choices and type_name == "string":
        result["enum"] = [str(choice) for choice in choices if choice is not None]
    elif choices:
        result["description"] = f"{schema.get('description', '')} One of: {', '.join(map(str, choices))}.".strip()
    if schema.get("format") in _FORMATS:
        result["format"] = schema["format"]
    if type_name == "array":
        result["items"] = to_openapi(_item(schema))
    properties = schema.get("properties")
    if type_name == "object" and isinstance(properties, dict) and properties:
        result["properties"] = {name: to_openapi(member) for name, member in properties.items()}
        result["required"] = [name for name in schema.get("required", ()) if name in properties]
    return {key: value for key, value in result.items() if value != []}


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


def _merged(schema: Mapping[str, Any], branches: list[dict[str, Any]], *, every: bool) -> dict[str, Any]:
    """One object with the properties of all branches; required is what all of them ask for, or any if `every`."""
    properties = dict(schema.get("properties") or {})
    per_branch = [set(branch.get("required", ())) for branch in branches]
    common = set.union(*per_branch) if every else set.intersection(*per_branch)
    required = set(schema.get("required", ())) | common
    merged = dict(schema)
    for branch in branches:
        properties |= branch.get("properties") or {}
        merged = {**branch, **merged}
    merged["properties"] = properties
    merged["required"] = sorted(required)
    return {key: value for key, value in merged.items() if value or key not in ("properties", "required")}


def _is_object(part: Mapping[str, Any]) -> bool:
    type_name = part.get("type")
    return "properties" in part or type_name == "object" or (isinstance(type_name, list) and "object" in type_name)


def _subschemas(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from _subschemas(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _subschemas(item)
