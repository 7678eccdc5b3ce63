"""Comparing values with expected ones that may hold matchers (`{$regex: …}`): tool arguments, results and JSON.

An expected mapping requires its keys and allows others; a list requires the same length; a scalar the same value, and
`true` is not `1`. A mapping whose only key begins with `$` is a matcher.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from itertools import chain
from typing import Any

from runner.core.truncate import truncate

Differences = Iterator[str]

_DATE_FORMATS = ("%B %d, %Y", "%b %d, %Y", "%d %B %Y", "%d %b %Y", "%A, %B %d, %Y", "%Y/%m/%d", "%d.%m.%Y")


def matches(expected: Any, actual: Any, *, exact: bool = False) -> bool:
    """The value is as expected; `exact` allows a mapping no further keys."""
    return next(differences(expected, actual, exact=exact), None) is None


def differences(expected: Any, actual: Any, path: str = "$", *, exact: bool = False) -> Differences:
    """What is not as expected, one line a place."""
    matcher = _matcher(expected)
    if matcher is not None:
        yield from matcher(expected, actual, path)
    elif isinstance(expected, Mapping):
        yield from _mapping(expected, actual, path, exact)
    elif isinstance(expected, (list, tuple)):
        yield from _list(expected, actual, path, exact)
    elif not json_equal(expected, actual):
        yield f"{path}: wanted {json_line(expected)}, got {json_line(actual)}"


def problem(expected: Any) -> str:
    """Why nothing can be compared with an expected value, such as a broken pattern; empty if it is valid."""
    if isinstance(expected, Mapping):
        for key, value in expected.items():
            if key.startswith("$") and key not in MATCHERS:
                return f"there is no matcher {key}; known are {', '.join(sorted(MATCHERS))}"
            if key.startswith("$") and len(expected) > 1:
                return f"{key} must stand alone in its mapping"
            if text := _PROBLEMS.get(key, problem)(value):
                return text
    elif isinstance(expected, (list, tuple)):
        return next(filter(None, map(problem, expected)), "")
    return ""


def json_equal(one: Any, other: Any) -> bool:
    """Equal as JSON values: numbers by value, but never a boolean and a number."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(json_equal(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(json_equal, one, other))
    return bool(one == other)


def json_line(value: Any, longest: int = 120) -> str:
    """A value as JSON on one line, truncated to `longest` characters."""
    return truncate(json.dumps(value, ensure_ascii=False, default=str), longest)


@lru_cache(maxsize=1024)
def pattern(text: str) -> re.Pattern[str]:
    """A compiled regular expression, cached. Raises re.error."""
    return re.compile(text)


def _matcher(expected: Any) -> Callable[[Any, Any, str], Differences] | None:
    if isinstance(expected, Mapping) and len(expected) == 1:
        return MATCHERS.get(next(iter(expected)))
    return None


def _mapping(expected: Mapping[str, Any], actual: Any, path: str, exact: bool) -> Differences:
    if not isinstance(actual, Mapping):
        yield f"{path}: wanted {json_line(expected)}, got {json_line(actual)}"
        return
    for key, value in expected.items():
        if key in actual:
            yield from differences(value, actual[key], f"{path}.{key}", exact=exact)
        elif not (isinstance(value, Mapping) and "$ignore" in value):
            yield f"{path}.{key}: wanted {json_line(value)}, but it is missing"
    if exact:
        for key in actual:
            if key not in expected:
                yield f"{path}.{key}: not wanted, got {json_line(actual[key])}"


def _list(expected: Sequence[Any], actual: Any, path: str, exact: bool) -> Differences:
    if not isinstance(actual, (list, tuple)):
        yield f"{path}: wanted {json_line(expected)}, got {json_line(actual)}"
    elif len(expected) != len(actual):
        yield f"{path}: wanted {len(expected)} items, got {len(actual)}: {json_line(actual)}"
    else:
        for position, (item, actual_item) in enumerate(zip(expected, actual, strict=True)):
            yield from differences(item, actual_item, f"{path}[{position}]", exact=exact)


def _from_predicate(holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any, str], Differences]:
    """The matcher whose predicate takes its operand and the value."""

    def matcher(expected: Any, actual: Any, path: str) -> Differences:
        if not holds(next(iter(expected.values())), actual):
            yield f"{path}: wanted {json_line(expected)}, got {json_line(actual)}"

    return matcher


def _in_range(bounds: Any, actual: Any) -> bool:
    if isinstance(actual, bool) or not isinstance(actual, (int, float)):
        return False
    low, high = bounds
    return (low is None or actual >= low) and (high is None or actual <= high)


def _approx(operand: Any, actual: Any) -> bool:
    if isinstance(actual, bool) or not isinstance(actual, (int, float)):
        return False
    value, within = (operand["value"], operand["within"]) if isinstance(operand, Mapping) else (operand, None)
    return bool(abs(actual - value) <= (abs(value) * 1e-6 if within is None else within))


def _same_date(operand: Any, actual: Any) -> bool:
    actual_date = as_date(actual)
    return actual_date is not None and (operand is True or actual_date == as_date(operand))


@lru_cache(maxsize=1024)
def as_date(text: Any) -> date | None:
    """The calendar date that a text names, in ISO format or in words."""
    if not isinstance(text, str):
        return None
    try:
        return datetime.fromisoformat(text.strip()).date()
    except ValueError:
        pass
    for form in _DATE_FORMATS:
        try:
            return datetime.strptime(text.strip(), form).date()
        except ValueError:
            continue
    return None


def _length(operand: Any, actual: Any) -> bool:
    return isinstance(actual, (str, list, tuple, Mapping)) and matches(operand, len(actual))


def _all(expected: Any, actual: Any, path: str) -> Differences:
    return chain.from_iterable(differences(item, actual, path) for item in expected["$all"])


MATCHERS: Mapping[str, Callable[[Any, Any, str], Differences]] = {
    "$regex": _from_predicate(
        lambda text, actual: isinstance(actual, str) and pattern(text).search(actual) is not None
    ),
    "$icontains": _from_predicate(
        lambda text, actual: isinstance(actual, str) and text.casefold() in actual.casefold()
    ),
    "$any": _from_predicate(lambda choices, actual: any(matches(choice, actual) for choice in choices)),
    "$all": _all,
    "$oneof": _from_predicate(lambda values, actual: any(json_equal(value, actual) for value in values)),
    "$range": _from_predicate(_in_range),
    "$approx": _from_predicate(_approx),
    "$date": _from_predicate(_same_date),
    "$ignore": _from_predicate(lambda _, actual: True),
    "$eq": _from_predicate(json_equal),
    "$len": _from_predicate(_length),
    "$not": _from_predicate(lambda expected, actual: not matches(expected, actual)),
}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _pattern_problem(text: Any) -> str:
    try:
        pattern(text)
    except (re.error, TypeError) as error:
        return f"$regex is not a regular expression: {error}"
    return ""


def _range_problem(bounds: Any) -> str:
    valid = (
        isinstance(bounds, list) and len(bounds) == 2 and all(bound is None or _is_number(bound) for bound in bounds)
    )
    return "" if valid else "$range takes [LOW, HIGH], either of them null for no bound"


def _approx_problem(operand: Any) -> str:
    pair = (
        isinstance(operand, Mapping)
        and operand.keys() == {"value", "within"}
        and all(map(_is_number, operand.values()))
    )
    return "" if pair or _is_number(operand) else "$approx takes a number or {value: NUMBER, within: NUMBER}"


def _choices_problem(choices: Any) -> str:
    return problem(choices) if isinstance(choices, list) and choices else "needs a list of at least one value"


_PROBLEMS: Mapping[str, Callable[[Any], str]] = {
    "$regex": _pattern_problem,
    "$icontains": lambda text: "" if isinstance(text, str) else "$icontains takes a text",
    "$any": _choices_problem,
    "$all": _choices_problem,
    "$oneof": lambda values: "" if isinstance(values, list) and values else "$oneof takes a list of values",
    "$range": _range_problem,
    "$approx": _approx_problem,
    "$date": lambda text: "" if text is True or as_date(text) else "$date takes a date such as 2026-03-13, or true",
    "$ignore": lambda flag: "" if flag is True else "$ignore takes true",
    "$eq": lambda value: "",
}
