"""Comparing values with expected ones that may hold matchers (`{$regex: …}`): tool arguments, results and JSON.

An expected mapping requires its keys and allows others; a list requires the same length; a scalar the same value, and
`true` is not `1`. A mapping whose only key begins with `$` is a matcher, in a script alone: what was recorded is a
value, and is compared by `value_differences`. Every comparison takes any JSON value on either side.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from itertools import chain
from typing import Any

from runner.config.template.render import is_template
from runner.core.bounded_regex import compile_pattern, search
from runner.core.truncate import truncate

Differences = Iterator[str]

_LONGEST_DATE = 64
_MAX_DEPTH = 100

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


def value_differences(recorded: Any, actual: Any, path: str = "$", depth: int = 0) -> Differences:
    """Where a value is not equal to a recorded one, one line a place; a key that begins with `$` is a key."""
    if json_equal(recorded, actual):
        return
    if depth < _MAX_DEPTH and isinstance(recorded, Mapping) and isinstance(actual, Mapping):
        for key, value in recorded.items():
            if key in actual:
                yield from value_differences(value, actual[key], f"{path}.{key}", depth + 1)
            else:
                yield f"{path}.{key}: wanted {json_line(value)}, but it is missing"
        for key in actual:
            if key not in recorded:
                yield f"{path}.{key}: not wanted, got {json_line(actual[key])}"
    elif depth < _MAX_DEPTH and _is_list(recorded) and _is_list(actual) and len(recorded) == len(actual):
        for position, (item, actual_item) in enumerate(zip(recorded, actual, strict=True)):
            yield from value_differences(item, actual_item, f"{path}[{position}]", depth + 1)
    else:
        yield f"{path}: wanted {json_line(recorded)}, got {json_line(actual)}"


def problem(expected: Any) -> str:
    """Why nothing can be compared with an expected value, such as a broken pattern; empty if it is valid.

    A text that is a template may become anything, and is judged once it is rendered.
    """
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
    """Equal as JSON values: numbers by value, NaN as itself, but never a boolean and a number; of any depth."""
    pairs = [(one, other)]
    while pairs:
        one, other = pairs.pop()
        if isinstance(one, bool) or isinstance(other, bool):
            if one is not other:
                return False
        elif isinstance(one, Mapping) and isinstance(other, Mapping):
            if one.keys() != other.keys():
                return False
            pairs += ((one[key], other[key]) for key in one)
        elif _is_list(one) and _is_list(other):
            if len(one) != len(other):
                return False
            pairs += zip(one, other, strict=True)
        elif one != other and not (_is_number(one) and _is_number(other) and one != one and other != other):
            return False
    return True


def json_line(value: Any, longest: int = 120) -> str:
    """A value as JSON on one line, truncated to `longest` characters."""
    try:
        return truncate(json.dumps(value, ensure_ascii=False, default=str), longest)
    except (RecursionError, ValueError):  # nested too deeply, contains itself, or a number of more than 4,300 digits
        return f"({type(value).__name__} that is too large to be shown)"


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
    if not _is_list(actual):
        yield f"{path}: wanted {json_line(expected)}, got {json_line(actual)}"
    elif len(expected) != len(actual):
        yield f"{path}: wanted {len(expected)} items, got {len(actual)}: {json_line(actual)}"
    else:
        for position, (item, actual_item) in enumerate(zip(expected, actual, strict=True)):
            yield from differences(item, actual_item, f"{path}[{position}]", exact=exact)


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _from_predicate(holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any, str], Differences]:
    """The matcher whose predicate takes its operand and the value."""

    def matcher(expected: Any, actual: Any, path: str) -> Differences:
        if not holds(next(iter(expected.values())), actual):
            yield f"{path}: wanted {json_line(expected)}, got {json_line(actual)}"

    return matcher


def _in_range(bounds: Any, actual: Any) -> bool:
    if not _is_number(actual):
        return False
    low, high = bounds
    return (low is None or actual >= low) and (high is None or actual <= high)


def _approx(operand: Any, actual: Any) -> bool:
    if not _is_number(actual):
        return False
    value, within = (operand["value"], operand["within"]) if isinstance(operand, Mapping) else (operand, None)
    try:
        return bool(abs(actual - value) <= (abs(value) * 1e-6 if within is None else within))
    except OverflowError:  # an integer that no float can hold
        return bool(actual == value)


def _same_date(operand: Any, actual: Any) -> bool:
    actual_date = as_date(actual)
    return actual_date is not None and (operand is True or actual_date == as_date(operand))


def as_date(value: Any) -> date | None:
    """The calendar date that a text names, in ISO format or in words; None for all else."""
    text = value.strip() if isinstance(value, str) else ""
    return _date_of(text) if 0 < len(text) <= _LONGEST_DATE else None


@lru_cache(maxsize=1024)
def _date_of(text: str) -> date | None:
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        pass
    for form in _DATE_FORMATS:
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    return None


def _length(operand: Any, actual: Any) -> bool:
    return isinstance(actual, (str, list, tuple, Mapping)) and matches(operand, len(actual))


def _all(expected: Any, actual: Any, path: str) -> Differences:
    return chain.from_iterable(differences(item, actual, path) for item in expected["$all"])


MATCHERS: Mapping[str, Callable[[Any, Any, str], Differences]] = {
    "$regex": _from_predicate(lambda text, actual: isinstance(actual, str) and search(text, actual) is not None),
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


def pattern_problem(pattern: Any) -> str:
    """Why a text is no regular expression; empty if it is one, or a template of one."""
    if not isinstance(pattern, str):
        return "not a regular expression: it is no text"
    try:
        is_template(pattern) or compile_pattern(pattern)
    except ValueError as error:
        return f"not a regular expression: {error}"
    return ""


def _pattern_problem(pattern: Any) -> str:
    text = pattern_problem(pattern)
    return f"$regex is {text}" if text else ""


def _range_problem(bounds: Any) -> str:
    valid = (
        isinstance(bounds, list) and len(bounds) == 2 and all(bound is None or _is_number(bound) for bound in bounds)
    )
    if not valid:
        return "$range takes [LOW, HIGH], either of them null for no bound"
    low, high = bounds
    return "$range has no number: LOW is more than HIGH" if None not in bounds and low > high else ""


def _approx_problem(operand: Any) -> str:
    pair = (
        isinstance(operand, Mapping)
        and operand.keys() == {"value", "within"}
        and all(map(_is_number, operand.values()))
    )
    return "" if pair or _is_number(operand) else "$approx takes a number or {value: NUMBER, within: NUMBER}"


def _date_problem(operand: Any) -> str:
    valid = operand is True or as_date(operand) or (isinstance(operand, str) and is_template(operand))
    return "" if valid else "$date takes a date such as 2026-03-13, or true"


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
    "$date": _date_problem,
    "$ignore": lambda flag: "" if flag is True else "$ignore takes true",
    "$eq": lambda value: "",
}
