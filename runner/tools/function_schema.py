"""Type hints as JSON Schema, and JSON values converted to what the hints say: one rule for both."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import sys
import types
import typing
from collections import abc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Convert = Callable[[Any], Any]


class UnsupportedHint(Exception):
    """A type hint that JSON Schema cannot express."""


class ValueMismatch(ValueError):
    """A value that does not fit its type hint; the text begins with its path."""


def _identity(value: Any) -> Any:
    return value


@dataclasses.dataclass(frozen=True, slots=True)
class HintSchema:
    """A type hint in JSON: its schema, and how a value that keeps the schema is converted to the type."""

    schema: Mapping[str, Any]
    convert: Convert = _identity


def hint_schema(hint: Any, enclosing: tuple[type, ...] = ()) -> HintSchema:
    """The schema and the conversion of a hint; `enclosing` are the classes whose fields are being described.

    Raises UnsupportedHint.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _annotated(arguments[0], arguments[1:], enclosing)
    if origin in _WRAPPERS:
        return hint_schema(arguments[0], enclosing)
    if origin in (typing.Union, types.UnionType):
        return _union([hint_schema(argument, enclosing) for argument in arguments])
    if origin is typing.Literal:
        return _enum({value.value if isinstance(value, enum.Enum) else value: value for value in arguments})
    if (plain := _SCALARS.get(hint)) is not None:
        return plain
    if (kind := _CONTAINERS.get(origin or hint)) is not None:
        return kind(arguments, enclosing)
    if isinstance(hint, type):
        return _class(hint, enclosing)
    for inner in ("__supertype__", "__bound__", "__value__"):  # NewType, TypeVar, `type X = …`
        if hasattr(hint, inner):
            return hint_schema(getattr(hint, inner) or Any, enclosing)
    raise UnsupportedHint(f"{hint!r} cannot be said in JSON Schema")


def convert_at(where: str, convert: Convert, value: Any) -> Any:
    """The converted value; raises ValueMismatch that begins with `where`."""
    try:
        return convert(value)
    except ValueMismatch as mismatch:
        raise ValueMismatch(f"{where}{mismatch}") from None
    except (ValueError, TypeError, ArithmeticError) as error:
        raise ValueMismatch(f"{where}: {error}") from None


def json_default(value: Any) -> dict[str, Any]:
    """A default as a schema shows it; empty where JSON cannot express it."""
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, datetime.date | datetime.time):
        value = value.isoformat()
    try:
        return {"default": json.loads(json.dumps(value, allow_nan=False))}
    except (TypeError, ValueError):
        return {}


def object_schema(properties: Mapping[str, Any], required: list[str]) -> dict[str, Any]:
    """A closed object."""
    schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return schema | {"required": required} if required else schema


def _annotated(hint: Any, notes: tuple[Any, ...], enclosing: tuple[type, ...]) -> HintSchema:
    member = hint_schema(hint, enclosing)
    for note in notes:
        text = note if isinstance(note, str) else getattr(note, "description", None)
        if isinstance(text, str):
            return HintSchema({**member.schema, "description": text}, member.convert)
    return member


def _union(members: list[HintSchema]) -> HintSchema:
    if len(members) == 1:
        return members[0]
    schema = {"anyOf": [dict(member.schema) for member in members]}
    if all(member.convert is _identity for member in members):
        return HintSchema(schema)
    from runner.core.json_schema import JsonSchema  # lazy: few unions hold anything but plain values

    alternatives = [(JsonSchema(member.schema), member.convert) for member in members]

    def convert(value: Any) -> Any:
        mismatch: Exception | None = None
        for member_schema, as_member in alternatives:
            if member_schema.is_valid(value):
                try:
                    return as_member(value)
                except (ValueError, TypeError, ArithmeticError) as error:
                    mismatch = error
        raise mismatch or ValueMismatch(": none of the alternatives takes it")

    return HintSchema(schema, convert)


def _validated(member: HintSchema, value: Any) -> Any:
    """The converted value of a class that contains itself; the outer schema does not validate it."""
    from runner.core.json_schema import JsonSchema  # lazy: few types hold themselves
    from runner.tools.argument_validator import argument_problems

    if problems := argument_problems(JsonSchema(member.schema), value):
        raise ValueMismatch(f": {problems[0]}")
    return member.convert(value)


def _enum(values: Mapping[Any, Any]) -> HintSchema:
    """One of the keys, which stand for the values."""
    kinds = {_JSON_TYPES.get(type(key)) for key in values}
    if None in kinds:
        raise UnsupportedHint(f"{list(values)!r} are not all text, numbers, booleans or None")
    typed = {"type": kinds.pop()} if len(kinds) == 1 else {}
    plain = all(key is value for key, value in values.items())
    return HintSchema({**typed, "enum": list(values)}, _identity if plain else values.__getitem__)


def _array(into: Callable[[Any], Any]) -> Callable[[tuple[Any, ...], tuple[type, ...]], HintSchema]:
    def array(arguments: tuple[Any, ...], enclosing: tuple[type, ...]) -> HintSchema:
        item = hint_schema(arguments[0] if arguments else Any, enclosing)
        unique = {"uniqueItems": True} if into in (set, frozenset) else {}
        return HintSchema(
            {"type": "array", "items": dict(item.schema), **unique}, lambda value: into(_items(item, value))
        )

    return array


def _items(item: HintSchema, values: list[Any]) -> list[Any]:
    return [convert_at(f"[{position}]", item.convert, value) for position, value in enumerate(values)]


def _tuple(arguments: tuple[Any, ...], enclosing: tuple[type, ...]) -> HintSchema:
    if not arguments or arguments[-1] is Ellipsis:
        return _array(tuple)(arguments[:1], enclosing)
    items = [hint_schema(argument, enclosing) for argument in arguments if argument != ()]
    sized = {"minItems": len(items), "maxItems": len(items)}
    schema = {"type": "array", "prefixItems": [dict(item.schema) for item in items], **sized}
    return HintSchema(
        schema, lambda value: tuple(convert_at(f"[{n}]", item.convert, value[n]) for n, item in enumerate(items))
    )


def _mapping(arguments: tuple[Any, ...], enclosing: tuple[type, ...]) -> HintSchema:
    key, value = (arguments or (str, Any))[:2]
    if key not in (str, int, Any):
        raise UnsupportedHint(f"the keys of a JSON object are text, so they cannot be {key!r}")
    item, as_key = hint_schema(value, enclosing), int if key is int else _identity

    def convert(mapping: Mapping[str, Any]) -> dict[Any, Any]:
        return {
            convert_at(f".{name}", as_key, name): convert_at(f".{name}", item.convert, value)
            for name, value in mapping.items()
        }

    return HintSchema({"type": "object", "additionalProperties": dict(item.schema)}, convert)


def _class(hint: type, enclosing: tuple[type, ...]) -> HintSchema:
    if issubclass(hint, enum.Enum):
        by_value = {member.value: member for member in hint if type(member.value) in _JSON_TYPES}
        return _enum(by_value if len(by_value) == len(hint) else dict(hint.__members__))
    if _is_pydantic(hint):
        from runner.core.schema_refs import inline_refs  # lazy: only pydantic's schemas have references

        schema = hint.model_json_schema()  # type: ignore[attr-defined]
        return HintSchema(inline_refs(schema, schema), hint.model_validate)  # type: ignore[attr-defined]
    if hint in enclosing:
        return HintSchema({"type": "object"}, lambda value: _validated(hint_schema(hint), value))
    if (fields := _fields(hint)) is None:
        raise UnsupportedHint(
            f"{hint.__qualname__} is no type of values; use plain types, dataclasses, enums or TypedDicts"
        )
    try:
        hints = typing.get_type_hints(hint, include_extras=True)
    except (NameError, TypeError) as error:
        raise UnsupportedHint(f"the hints of {hint.__qualname__} cannot be read: {error}") from None
    members = {name: hint_schema(hints[name], (*enclosing, hint)) for name in fields}
    properties = {name: {**member.schema, **_shown_default(fields[name])} for name, member in members.items()}
    required = [name for name, default in fields.items() if default is _REQUIRED]

    def convert(value: Mapping[str, Any]) -> Any:
        return hint(**{name: convert_at(f".{name}", members[name].convert, item) for name, item in value.items()})

    return HintSchema(object_schema(properties, required), convert)


_REQUIRED = object()
_UNKNOWN = object()


def _fields(hint: type) -> dict[str, Any] | None:
    """Field names with their defaults, _REQUIRED where there is none; None for a class that has no fields."""
    if dataclasses.is_dataclass(hint):
        return {field.name: _field_default(field) for field in dataclasses.fields(hint) if field.init}
    if typing.is_typeddict(hint):
        needed: frozenset[str] = hint.__required_keys__  # type: ignore[attr-defined]
        return {name: _REQUIRED if name in needed else _UNKNOWN for name in hint.__annotations__}
    if issubclass(hint, tuple) and hasattr(hint, "_fields"):
        return {name: hint._field_defaults.get(name, _REQUIRED) for name in hint._fields}  # type: ignore[attr-defined]
    return None


def _field_default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    return _REQUIRED if field.default_factory is dataclasses.MISSING else _UNKNOWN


def _shown_default(default: Any) -> dict[str, Any]:
    return {} if default in (_REQUIRED, _UNKNOWN) else json_default(default)


def _is_pydantic(hint: type) -> bool:
    """A pydantic model, without importing pydantic for those who have none."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(hint, pydantic.BaseModel)


_JSON_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
_WRAPPERS = (typing.Required, typing.NotRequired, typing.Final, typing.ClassVar)

_SCALARS: Mapping[Any, HintSchema] = {
    Any: HintSchema({}),
    object: HintSchema({}),
    None: HintSchema({"type": "null"}),
    type(None): HintSchema({"type": "null"}),
    str: HintSchema({"type": "string"}),
    bool: HintSchema({"type": "boolean"}),
    int: HintSchema({"type": "integer"}, int),
    float: HintSchema({"type": "number"}, float),
    datetime.datetime: HintSchema({"type": "string", "format": "date-time"}, datetime.datetime.fromisoformat),
    datetime.date: HintSchema({"type": "string", "format": "date"}, datetime.date.fromisoformat),
    datetime.time: HintSchema({"type": "string", "format": "time"}, datetime.time.fromisoformat),
    Path: HintSchema({"type": "string"}, Path),
}

_CONTAINERS: Mapping[Any, Callable[[tuple[Any, ...], tuple[type, ...]], HintSchema]] = {
    **dict.fromkeys((list, abc.Sequence, abc.MutableSequence, abc.Iterable, abc.Collection), _array(list)),
    **dict.fromkeys((set, abc.Set, abc.MutableSet), _array(set)),
    frozenset: _array(frozenset),
    tuple: _tuple,
    **dict.fromkeys((dict, abc.Mapping, abc.MutableMapping), _mapping),
}
