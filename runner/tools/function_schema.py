"""Type hints as JSON Schema, and JSON values back as what the hints say: one rule for both."""

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


class Unshapely(Exception):
    """No JSON Schema can say what the hint says."""


class Unfit(ValueError):
    """A value that its hint does not take; the text begins with its path."""


def _same(value: Any) -> Any:
    return value


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """What a hint is in JSON: its schema, and how a value that fits the schema becomes what the hint says."""

    schema: Mapping[str, Any]
    convert: Convert = _same


def shape_of(hint: Any, within: tuple[type, ...] = ()) -> Shape:
    """The shape of a hint; `within` are the classes whose fields are being described. Raises Unshapely."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _annotated(arguments[0], arguments[1:], within)
    if origin in _WRAPPERS:
        return shape_of(arguments[0], within)
    if origin in (typing.Union, types.UnionType):
        return _union([shape_of(each, within) for each in arguments])
    if origin is typing.Literal:
        return _choice({each.value if isinstance(each, enum.Enum) else each: each for each in arguments})
    if (plain := _SCALARS.get(hint)) is not None:
        return plain
    if (kind := _CONTAINERS.get(origin or hint)) is not None:
        return kind(arguments, within)
    if isinstance(hint, type):
        return _class(hint, within)
    for inner in ("__supertype__", "__bound__", "__value__"):  # NewType, TypeVar, `type X = …`
        if hasattr(hint, inner):
            return shape_of(getattr(hint, inner) or Any, within)
    raise Unshapely(f"{hint!r} cannot be said in JSON Schema")


def at(where: str, convert: Convert, value: Any) -> Any:
    """The converted value; raises Unfit that begins with `where`."""
    try:
        return convert(value)
    except Unfit as misfit:
        raise Unfit(f"{where}{misfit}") from None
    except (ValueError, TypeError, ArithmeticError) as error:
        raise Unfit(f"{where}: {error}") from None


def default_of(value: Any) -> dict[str, Any]:
    """A default as a schema shows it; nothing where JSON has no word for it."""
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


def _annotated(hint: Any, notes: tuple[Any, ...], within: tuple[type, ...]) -> Shape:
    shape = shape_of(hint, within)
    for note in notes:
        text = note if isinstance(note, str) else getattr(note, "description", None)
        if isinstance(text, str):
            return Shape({**shape.schema, "description": text}, shape.convert)
    return shape


def _union(members: list[Shape]) -> Shape:
    if len(members) == 1:
        return members[0]
    schema = {"anyOf": [dict(member.schema) for member in members]}
    if all(member.convert is _same for member in members):
        return Shape(schema)
    from runner.tools.argument_validator import Checker  # lazy: few unions hold anything but plain values

    checked = [(Checker(member.schema), member.convert) for member in members]

    def convert(value: Any) -> Any:
        misfit: Exception | None = None
        for checker, as_member in checked:
            if not checker.problems(value):
                try:
                    return as_member(value)
                except (ValueError, TypeError, ArithmeticError) as error:
                    misfit = error
        raise misfit or Unfit(": none of the alternatives takes it")

    return Shape(schema, convert)


def _checked(shape: Shape, value: Any) -> Any:
    """The value as a shape within itself takes it, of which the outer schema says nothing."""
    from runner.tools.argument_validator import Checker  # lazy: few types hold themselves

    if problems := Checker(shape.schema).problems(value):
        raise Unfit(f": {problems[0]}")
    return shape.convert(value)


def _choice(values: Mapping[Any, Any]) -> Shape:
    """One of the keys, which stand for the values."""
    kinds = {_JSON_TYPES.get(type(key)) for key in values}
    if None in kinds:
        raise Unshapely(f"{list(values)!r} are not all text, numbers, booleans or None")
    typed = {"type": kinds.pop()} if len(kinds) == 1 else {}
    plain = all(key is value for key, value in values.items())
    return Shape({**typed, "enum": list(values)}, _same if plain else values.__getitem__)


def _array(into: Callable[[Any], Any]) -> Callable[[tuple[Any, ...], tuple[type, ...]], Shape]:
    def shape(arguments: tuple[Any, ...], within: tuple[type, ...]) -> Shape:
        item = shape_of(arguments[0] if arguments else Any, within)
        unique = {"uniqueItems": True} if into in (set, frozenset) else {}
        return Shape({"type": "array", "items": dict(item.schema), **unique}, lambda value: into(_each(item, value)))

    return shape


def _each(item: Shape, values: list[Any]) -> list[Any]:
    return [at(f"[{position}]", item.convert, value) for position, value in enumerate(values)]


def _tuple(arguments: tuple[Any, ...], within: tuple[type, ...]) -> Shape:
    if not arguments or arguments[-1] is Ellipsis:
        return _array(tuple)(arguments[:1], within)
    items = [shape_of(each, within) for each in arguments if each != ()]
    sized = {"minItems": len(items), "maxItems": len(items)}
    schema = {"type": "array", "prefixItems": [dict(item.schema) for item in items], **sized}
    return Shape(schema, lambda value: tuple(at(f"[{n}]", item.convert, value[n]) for n, item in enumerate(items)))


def _mapping(arguments: tuple[Any, ...], within: tuple[type, ...]) -> Shape:
    key, value = (arguments or (str, Any))[:2]
    if key not in (str, int, Any):
        raise Unshapely(f"the keys of a JSON object are text, so they cannot be {key!r}")
    item, as_key = shape_of(value, within), int if key is int else _same

    def convert(mapping: Mapping[str, Any]) -> dict[Any, Any]:
        return {at(f".{name}", as_key, name): at(f".{name}", item.convert, each) for name, each in mapping.items()}

    return Shape({"type": "object", "additionalProperties": dict(item.schema)}, convert)


def _class(hint: type, within: tuple[type, ...]) -> Shape:
    if issubclass(hint, enum.Enum):
        by_value = {member.value: member for member in hint if type(member.value) in _JSON_TYPES}
        return _choice(by_value if len(by_value) == len(hint) else dict(hint.__members__))
    if _is_pydantic(hint):
        from runner.tools.schema_refs import inlined  # lazy: only pydantic's schemas have references

        schema = hint.model_json_schema()  # type: ignore[attr-defined]
        return Shape(inlined(schema, schema), hint.model_validate)  # type: ignore[attr-defined]
    if hint in within:
        return Shape({"type": "object"}, lambda value: _checked(shape_of(hint), value))
    if (fields := _fields(hint)) is None:
        raise Unshapely(f"{hint.__qualname__} is no type of values; use plain types, dataclasses, enums or TypedDicts")
    try:
        hints = typing.get_type_hints(hint, include_extras=True)
    except (NameError, TypeError) as error:
        raise Unshapely(f"the hints of {hint.__qualname__} cannot be read: {error}") from None
    shapes = {name: shape_of(hints[name], (*within, hint)) for name in fields}
    properties = {name: {**shape.schema, **_shown_default(fields[name])} for name, shape in shapes.items()}
    required = [name for name, default in fields.items() if default is _REQUIRED]

    def convert(value: Mapping[str, Any]) -> Any:
        return hint(**{name: at(f".{name}", shapes[name].convert, each) for name, each in value.items()})

    return Shape(object_schema(properties, required), convert)


_REQUIRED = object()
_UNKNOWN = object()


def _fields(hint: type) -> dict[str, Any] | None:
    """Field names with their defaults, _REQUIRED where there is none; None for a class that has no fields."""
    if dataclasses.is_dataclass(hint):
        return {each.name: _default_of(each) for each in dataclasses.fields(hint) if each.init}
    if typing.is_typeddict(hint):
        needed: frozenset[str] = hint.__required_keys__  # type: ignore[attr-defined]
        return {name: _REQUIRED if name in needed else _UNKNOWN for name in hint.__annotations__}
    if issubclass(hint, tuple) and hasattr(hint, "_fields"):
        return {name: hint._field_defaults.get(name, _REQUIRED) for name in hint._fields}  # type: ignore[attr-defined]
    return None


def _default_of(each: dataclasses.Field[Any]) -> Any:
    if each.default is not dataclasses.MISSING:
        return each.default
    return _REQUIRED if each.default_factory is dataclasses.MISSING else _UNKNOWN


def _shown_default(default: Any) -> dict[str, Any]:
    return {} if default in (_REQUIRED, _UNKNOWN) else default_of(default)


def _is_pydantic(hint: type) -> bool:
    """A pydantic model, without importing pydantic for those who have none."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(hint, pydantic.BaseModel)


_JSON_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
_WRAPPERS = (typing.Required, typing.NotRequired, typing.Final, typing.ClassVar)

_SCALARS: Mapping[Any, Shape] = {
    Any: Shape({}),
    object: Shape({}),
    None: Shape({"type": "null"}),
    type(None): Shape({"type": "null"}),
    str: Shape({"type": "string"}),
    bool: Shape({"type": "boolean"}),
    int: Shape({"type": "integer"}, int),
    float: Shape({"type": "number"}, float),
    datetime.datetime: Shape({"type": "string", "format": "date-time"}, datetime.datetime.fromisoformat),
    datetime.date: Shape({"type": "string", "format": "date"}, datetime.date.fromisoformat),
    datetime.time: Shape({"type": "string", "format": "time"}, datetime.time.fromisoformat),
    Path: Shape({"type": "string"}, Path),
}

_CONTAINERS: Mapping[Any, Callable[[tuple[Any, ...], tuple[type, ...]], Shape]] = {
    **dict.fromkeys((list, abc.Sequence, abc.MutableSequence, abc.Iterable, abc.Collection), _array(list)),
    **dict.fromkeys((set, abc.Set, abc.MutableSet), _array(set)),
    frozenset: _array(frozenset),
    tuple: _tuple,
    **dict.fromkeys((dict, abc.Mapping, abc.MutableMapping), _mapping),
}
