"""Size limits of what a template makes: computed before it is made, so that no template can fill the memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from datetime import time as time_of_day
from functools import wraps
from typing import Any

MAX_CHARACTERS = 1_000_000
MAX_PARTS = 50_000
MAX_BITS = 10_000
MAX_DIGITS = 100
MAX_COST = 50_000_000
MAX_TIME_FORMAT = 1_000
MAX_HASHED = 2_000
_PART = 16  # what a part of a list weighs beside a text's characters
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


def expanded_size(value: Any, most: int) -> int:
    """The characters and parts of a value, each counted as often as it would be met; little more than `most` at most.

    Raises TemplateRefused for too large a number.
    """
    size, waiting = 0, [value]
    while waiting and size <= most:
        part = waiting.pop()
        if isinstance(part, str):
            size += len(part)
        elif isinstance(part, dict):
            size += _PART * 2 * len(part)
            waiting += [*part.keys(), *part.values()]
        elif isinstance(part, CONTAINERS):
            size += _PART * len(part)
            waiting += part
        elif isinstance(part, int):
            _check_bits(part.bit_length())
    return size


def check_cost(function: Any, arguments: Iterable[Any]) -> None:
    """Raise TemplateRefused for a method whose time does not grow in proportion to what it is given.

    Searching from the right and stripping compare each character with each; a time's format is tried with more and more
    room.
    """
    name, owner = getattr(function, "__name__", ""), getattr(function, "__self__", None)
    given = sum(len(argument) for argument in arguments if isinstance(argument, str))
    if isinstance(owner, str) and name in _EACH_WITH_EACH and len(owner) * given > MAX_COST:
        raise TemplateRefused(f"{name} compares two texts that are too long for it")
    if name == "strftime" and given > MAX_TIME_FORMAT:
        raise TemplateRefused("the format of a time is too long")


_EACH_WITH_EACH = frozenset(("lstrip", "rfind", "rpartition", "rsplit", "rstrip", "strip"))


def limited_unique(unique: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """The filter `unique`. It raises TemplateRefused for many items that can all have the same hash."""

    def checked(environment: Any, value: Iterable[Any], *args: Any, **kwargs: Any) -> Iterator[Any]:
        others = 0
        for item in unique(environment, value, *args, **kwargs):
            others += not isinstance(item, str | float) and not (isinstance(item, int) and item.bit_length() <= 60)
            if others > MAX_HASHED:
                raise TemplateRefused(f"unique takes at most {MAX_HASHED:,} items that are no texts or numbers")
            yield item

    return wraps(unique)(checked)


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
