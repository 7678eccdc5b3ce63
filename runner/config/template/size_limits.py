"""Size limits of what a template makes: computed before it is made, so that no template can fill the memory."""

from __future__ import annotations

from datetime import date
from datetime import time as time_of_day
from typing import Any

MAX_CHARACTERS = 1_000_000
MAX_PARTS = 50_000
MAX_BITS = 10_000
MAX_DIGITS = 100
SCALARS = (str, bool, int, float, date, time_of_day, type(None))
CONTAINERS = (dict, list, tuple, set, frozenset)


class TemplateRefused(Exception):
    """The template wants more time, more text or more rights than a prompt needs."""


def check_nested_size(value: Any) -> None:
    """Raise TemplateRefused if a nested value, each part counted as often as it would be printed, is too large."""
    parts, size, waiting = 0, 0, [value]
    while waiting:
        part = waiting.pop()
        parts += 1
        check_parts(parts)
        if isinstance(part, dict):
            waiting += [*part.keys(), *part.values()]
        elif isinstance(part, CONTAINERS):
            waiting += part
        elif isinstance(part, str):
            size += len(part)
            check_length(size)
        elif not isinstance(part, SCALARS):
            raise TemplateRefused(f"a {type(part).__name__} is no plain value")


def check_length(size: int) -> None:
    """Raise TemplateRefused if a text would have too many characters."""
    if size > MAX_CHARACTERS:
        raise TemplateRefused(f"makes more than {MAX_CHARACTERS:,} characters")


def check_parts(parts: int) -> None:
    """Raise TemplateRefused if a list or a nested value would have too many parts."""
    if parts > MAX_PARTS:
        raise TemplateRefused(f"makes a list of more than {MAX_PARTS:,} parts")


def _check_bits(bits: float) -> None:
    if bits > MAX_BITS:
        raise TemplateRefused("makes too large a number")


def _check_plus(left: Any, right: Any) -> None:
    if isinstance(left, str) and isinstance(right, str):
        check_length(len(left) + len(right))
    elif isinstance(left, list | tuple) and isinstance(right, list | tuple):
        check_parts(len(left) + len(right))


def _check_times(left: Any, right: Any) -> None:
    text, count = (left, right) if isinstance(left, str) else (right, left)
    if isinstance(text, str):
        check_length(len(text) * count if isinstance(count, int) else 0)
    elif isinstance(left, list | tuple) or isinstance(right, list | tuple):
        raise TemplateRefused("* repeats text only, not lists")
    else:
        _check_bits(_bits(left) + _bits(right))


def _check_power(left: Any, right: Any) -> None:
    _check_bits(_bits(left) * abs(right) if isinstance(right, int) else 0)


def _check_percent(left: Any, right: Any) -> None:
    if isinstance(left, str):
        raise TemplateRefused("% does not format text here: use ~ or a filter")


OPERATOR_CHECKS = {"+": _check_plus, "*": _check_times, "**": _check_power, "%": _check_percent}


def limited_round(number: float, digits: int = 0) -> float:
    """The filter `round`. Raises TemplateRefused for too many digits."""
    if abs(digits) > MAX_DIGITS:
        raise TemplateRefused(f"cannot round to {digits} digits")
    return round(number, digits)


def _bits(value: Any) -> int:
    return value.bit_length() if isinstance(value, int) else 0
