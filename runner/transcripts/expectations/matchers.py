"""Values that may be matched instead of equalled: `{$regex: …}` and its kin, in tool arguments, results and JSON.

A plain mapping wants its keys and lets others be; a list wants the same length; a scalar wants the same value, and
`true` is not `1`. A mapping whose one key begins with `$` is a matcher.
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


def matches(wanted: Any, actual: Any, *, exact: bool = False) -> bool:
    """The value is as wanted; `exact` allows a mapping no further keys."""
    return next(differences(wanted, actual, exact=exact), None) is None


def differences(wanted: Any, actual: Any, path: str = "$", *, exact: bool = False) -> Differences:
    """What is not as wanted, one line a place."""
    matcher = _matcher(wanted)
    if matcher is not None:
        yield from matcher(wanted, actual, path)
    elif isinstance(wanted, Mapping):
        yield from _mapping(wanted, actual, path, exact)
    elif isinstance(wanted, (list, tuple)):
        yield from _list(wanted, actual, path, exact)
    elif not same(wanted, actual):
        yield f"{path}: wanted {show(wanted)}, got {show(actual)}"


def problem(wanted: Any) -> str:
    """Why a wanted value can never be matched against, such as a broken pattern; empty if it can."""
    if isinstance(wanted, Mapping):
        for key, value in wanted.items():
            if key.startswith("$") and key not in MATCHERS:
                return f"there is no matcher {key}; known are {', '.join(sorted(MATCHERS))}"
            if key.startswith("$") and len(wanted) > 1:
                return f"{key} must stand alone in its mapping"
            if wrong := _PROBLEMS.get(key, problem)(value):
                return wrong
    elif isinstance(wanted, (list, tuple)):
        return next(filter(None, map(problem, wanted)), "")
    return ""


def same(one: Any, other: Any) -> bool:
    """Equal as JSON values: numbers by value, but never a boolean and a number."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def show(value: Any, longest: int = 120) -> str:
    """A value as JSON on one line, cut where it is long."""
    return truncate(json.dumps(value, ensure_ascii=False, default=str), longest)


@lru_cache(maxsize=1024)
def pattern(text: str) -> re.Pattern[str]:
    """A compiled regular expression, kept. Raises re.error."""
    return re.compile(text)


def _matcher(wanted: Any) -> Callable[[Any, Any, str], Differences] | None:
    if isinstance(wanted, Mapping) and len(wanted) == 1:
        return MATCHERS.get(next(iter(wanted)))
    return None


def _mapping(wanted: Mapping[str, Any], actual: Any, path: str, exact: bool) -> Differences:
    if not isinstance(actual, Mapping):
        yield f"{path}: wanted {show(wanted)}, got {show(actual)}"
        return
    for key, value in wanted.items():
        if key in actual:
            yield from differences(value, actual[key], f"{path}.{key}", exact=exact)
        elif not (isinstance(value, Mapping) and "$ignore" in value):
            yield f"{path}.{key}: wanted {show(value)}, but it is missing"
    if exact:
        for key in actual:
            if key not in wanted:
                yield f"{path}.{key}: not wanted, got {show(actual[key])}"


def _list(wanted: Sequence[Any], actual: Any, path: str, exact: bool) -> Differences:
    if not isinstance(actual, (list, tuple)):
        yield f"{path}: wanted {show(wanted)}, got {show(actual)}"
    elif len(wanted) != len(actual):
        yield f"{path}: wanted {len(wanted)} items, got {len(actual)}: {show(actual)}"
    else:
        for position, (one, other) in enumerate(zip(wanted, actual, strict=True)):
            yield from differences(one, other, f"{path}[{position}]", exact=exact)


def _test(holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any, str], Differences]:
    """A matcher from a predicate over its operand and the value."""

    def check(wanted: Any, actual: Any, path: str) -> Differences:
        if not holds(next(iter(wanted.values())), actual):
            yield f"{path}: wanted {show(wanted)}, got {show(actual)}"

    return check


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
    found = as_date(actual)
    return found is not None and (operand is True or found == as_date(operand))


@lru_cache(maxsize=1024)
def as_date(text: Any) -> date | None:
    """The calendar date that a text names, in ISO or in words."""
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


def _all(wanted: Any, actual: Any, path: str) -> Differences:
    return chain.from_iterable(differences(each, actual, path) for each in wanted["$all"])


MATCHERS: Mapping[str, Callable[[Any, Any, str], Differences]] = {
    "$regex": _test(lambda text, actual: isinstance(actual, str) and pattern(text).search(actual) is not None),
    "$icontains": _test(lambda text, actual: isinstance(actual, str) and text.casefold() in actual.casefold()),
    "$any": _test(lambda choices, actual: any(matches(each, actual) for each in choices)),
    "$all": _all,
    "$oneof": _test(lambda values, actual: any(same(each, actual) for each in values)),
    "$range": _test(_in_range),
    "$approx": _test(_approx),
    "$date": _test(_same_date),
    "$ignore": _test(lambda _, actual: True),
    "$eq": _test(same),
    "$len": _test(_length),
    "$not": _test(lambda wanted, actual: not matches(wanted, actual)),
}


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _pattern_problem(text: Any) -> str:
    try:
        pattern(text)
    except (re.error, TypeError) as error:
        return f"$regex is not a regular expression: {error}"
    return ""


def _range_problem(bounds: Any) -> str:
    good = isinstance(bounds, list) and len(bounds) == 2 and all(each is None or _number(each) for each in bounds)
    return "" if good else "$range takes [LOW, HIGH], either of them null for no bound"


def _approx_problem(operand: Any) -> str:
    pair = (
        isinstance(operand, Mapping) and operand.keys() == {"value", "within"} and all(map(_number, operand.values()))
    )
    return "" if pair or _number(operand) else "$approx takes a number or {value: NUMBER, within: NUMBER}"


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
