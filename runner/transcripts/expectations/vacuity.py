"""Vacuity: expected values that everything matches, or that nothing can, judged by the types of what is compared.

Both tests err on one side: what they do not see through can match some values and not others.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from runner.core.bounded_regex import RegexTime, regex_time, search

ANY = frozenset({"null", "boolean", "number", "string", "array", "object"})
COUNT = frozenset({"count"})
"""A whole number that is not negative."""
_SIZED = frozenset({"string", "array", "object"})
_SECONDS = 0.5
_NUMBERS = frozenset({"number", "count"})


def always_matches(expected: Any, types: frozenset[str] = ANY) -> bool:
    """Whether every value of these types matches the expected value."""
    if not isinstance(expected, Mapping):
        return False
    if len(expected) != 1 or not (key := next(iter(expected))).startswith("$"):
        ignored = (isinstance(value, Mapping) and "$ignore" in value for value in expected.values())
        return types == {"object"} and all(ignored)
    operand = expected[key]
    match key:
        case "$any":
            return any(always_matches(choice, types) for choice in operand)
        case "$all":
            return all(always_matches(each, types) for each in operand)
        case "$not":
            return never_matches(operand, types)
        case "$regex":
            return types == {"string"} and matches_every_text(operand)
        case "$icontains":
            return types == {"string"} and operand == ""
        case "$range":
            low, high = operand
            return types <= _NUMBERS and high is None and (low is None or (low <= 0 and types == COUNT))
        case "$len":
            return types <= _SIZED and always_matches(operand, COUNT)
    return bool(key == "$ignore")


def never_matches(expected: Any, types: frozenset[str] = ANY) -> bool:
    """Whether no value of these types matches the expected value."""
    if isinstance(expected, (list, tuple)):
        return "array" not in types or any(map(never_matches, expected))
    if not isinstance(expected, Mapping):
        return not _has_type(expected, types)
    if len(expected) != 1 or not (key := next(iter(expected))).startswith("$"):
        return "object" not in types or any(map(never_matches, expected.values()))
    operand = expected[key]
    match key:
        case "$any":
            return all(never_matches(choice, types) for choice in operand)
        case "$all":
            return any(never_matches(each, types) for each in operand)
        case "$not":
            return always_matches(operand, types)
        case "$regex" | "$icontains" | "$date":
            return "string" not in types
        case "$range":
            return not types & _NUMBERS or (types == COUNT and operand[1] is not None and operand[1] < 0)
        case "$approx":
            return not types & _NUMBERS
        case "$eq":
            return not _has_type(operand, types)
        case "$oneof":
            return not any(_has_type(value, types) for value in operand)
        case "$len":
            return not types & _SIZED or never_matches(operand, COUNT)
    return False


def _has_type(value: Any, types: frozenset[str]) -> bool:
    if value is None or isinstance(value, bool):
        return ("null" if value is None else "boolean") in types
    if isinstance(value, (int, float)):
        return "number" in types or ("count" in types and value >= 0 and value == value // 1)
    name = "string" if isinstance(value, str) else "object" if isinstance(value, Mapping) else "array"
    return name in types


@lru_cache(maxsize=1024)
def matches_every_text(pattern: str) -> bool:
    """Whether a regular expression finds something in every stripped text: in each of many that have nothing in common.

    What a pattern forbids may be anything: a negative lookaround counts as one that never holds.
    """
    try:
        positive = _without_exceptions(pattern)
        with regex_time(RegexTime(_SECONDS)):
            return all(search(positive, text) for text in _texts(pattern))
    except ValueError:
        return False


def _texts(pattern: str) -> Iterator[str]:
    """Texts of every kind, and the words of the pattern; the shortest first, where most patterns find nothing."""
    yield from ("", "a", "Z", "7", "-", "é漢", "no\nyes", pattern.strip())
    yield from re.findall(r"\w+|\W+", pattern)[:50]
    yield string.printable.strip() * 20
    yield " ".join(map(str, range(2000)))
    yield from ("0123456789" * 300, "word " * 2000 + ".", "x" * 300_000, "x\n" * 3000 + "x")
    yield "".join(map(chr, (*range(0x21, 0xD800), *range(0xE000, 0x10000), 0x1F600)))


def _without_exceptions(pattern: str) -> str:
    """The pattern with each negative lookaround replaced by one that never holds."""
    kept, depth, position = [], 0, 0
    for part in re.finditer(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?<?!|[()]", pattern, re.DOTALL):
        if depth:
            depth += part[0].startswith("(") - (part[0] == ")")
            position = part.end()
        elif part[0] in ("(?!", "(?<!"):
            kept.append(pattern[position : part.start()] + "(?!)")
            depth, position = 1, part.end()
    return "".join([*kept, pattern[position:]])
