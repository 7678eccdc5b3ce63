"""Type hints as JSON Schema, and JSON values back as what the hints say."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Mapping
from typing import Any

Convert = Callable[[Any], Any]


class Unshapely(Exception):
    """No JSON Schema can say what the hint says."""


class Unfit(ValueError):
    """A value that its hint does not take; the text begins with the path below the parameter."""


def _same(value: Any) -> Any:
    return value


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """What a hint is in JSON: its schema, and how a value that fits becomes what the hint says."""

    schema: Mapping[str, Any]
    convert: Convert = _same

    def default(self, value: Any) -> dict[str, Any]:
        """The default as the schema shows it; nothing where JSON has no word for it."""
        if isinstance(value, enum.Enum):
            value = value.value
        if isinstance(value, str | int | float | bool | None | list | dict):
            return {"default": value}
        return {}


_SCALARS: Mapping[Any, Shape] = {
    Any: Shape({}),
    object: Shape({}),
    None: Shape({"type": "null"}),
    type(None): Shape({"type": "null"}),
    str: Shape({"type": "string"}),
    bool: Shape({"type": "boolean"}),
    int: Shape({"type": "integer"}, int),
    float: Shape({"type": "number"}, float),
}


def shape_of(hint: Any) -> Shape:
    """The shape of a hint. Raises Unshapely."""
    if hint in _SCALARS:
        return _SCALARS[hint]
    raise Unshapely(f"{hint!r}")


def documented(function: Callable[..., Any]) -> tuple[str, Mapping[str, str]]:
    """A docstring's prose, and its descriptions of the parameters."""
    return (function.__doc__ or "").strip(), {}
