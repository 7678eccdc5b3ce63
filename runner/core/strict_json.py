"""JSON as models write it, read strictly: what passes can be sent again to any server, and means one thing only."""

from __future__ import annotations

import json
from math import inf
from typing import Any

from runner.core.sanitize import replace_surrogates

_DEEPEST = 100


def loads(text: str) -> Any:
    """The JSON value of a text, its lone surrogates replaced.

    Raises ValueError, in words fit for the model: for what is no JSON, for NaN and numbers without bound, for a key
    that stands twice, for what is nested too deeply.
    """
    try:
        value = _parsed(replace_surrogates(text))
        if "\\u" in text:  # an escape can smuggle in half a character
            value = _parsed(replace_surrogates(json.dumps(value, ensure_ascii=False)))
    except RecursionError:
        raise _too_deep() from None
    if text.count("[") + text.count("{") > _DEEPEST and _deeper(value, _DEEPEST):
        raise _too_deep()
    return value


def _parsed(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant, parse_float=_finite)


def _deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects stand in each other beyond so many levels."""
    inner = value.values() if isinstance(value, dict) else value
    return levels < 0 or any(_deeper(each, levels - 1) for each in inner if isinstance(each, dict | list))


def _too_deep() -> ValueError:
    return ValueError(f"it is nested more than {_DEEPEST} levels deep")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"duplicate key {key!r}")
        found[key] = value
    return found


def _finite(text: str) -> float:
    number = float(text)
    if number in (inf, -inf):
        raise ValueError(f"{text} is too large a number")
    return number


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
