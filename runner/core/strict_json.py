"""Strict JSON, for what models write: no duplicate keys, no NaN, bounded numbers and depth."""

from __future__ import annotations

import json
from math import inf
from typing import Any

from runner.core.sanitize import replace_surrogates

_MAX_DEPTH = 100


def loads(text: str) -> Any:
    """The JSON value of a text, its lone surrogates replaced.

    Raises ValueError, in words fit for the model: for what is no JSON, for NaN and numbers without bound, for a
    duplicate key, for what is nested too deeply.
    """
    try:
        value = _parsed(replace_surrogates(text))
        if "\\u" in text:  # an escape can hold a lone surrogate
            value = _parsed(replace_surrogates(json.dumps(value, ensure_ascii=False)))
    except RecursionError:
        raise _too_deep() from None
    if text.count("[") + text.count("{") > _MAX_DEPTH and _deeper(value, _MAX_DEPTH):
        raise _too_deep()
    return value


def _parsed(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant, parse_float=_finite)


def _deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects are nested more than so many levels deep."""
    inner = value.values() if isinstance(value, dict) else value
    return levels < 0 or any(_deeper(item, levels - 1) for item in inner if isinstance(item, dict | list))


def _too_deep() -> ValueError:
    return ValueError(f"it is nested more than {_MAX_DEPTH} levels deep")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique: dict[str, Any] = {}
    for key, value in pairs:
        if key in unique:
            raise ValueError(f"duplicate key {key!r}")
        unique[key] = value
    return unique


def _finite(text: str) -> float:
    number = float(text)
    if number in (inf, -inf):
        raise ValueError(f"{text} is too large a number")
    return number


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
