"""Regular expressions in bounded time: what is slow is an error soon, what is not means what Python's `re` means."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core import bounded_regex
from runner.core.bounded_regex import PatternTooSlow, RegexTime, compile_pattern, regex_time, search, sub

SLOW = [
    (r"(a|a)*$", "a" * 60 + "b"),
    (r"(a+)+$", "a" * 1_000_000 + "b"),
    (r"(\w+\s?)*$", "word " * 200_000 + "!"),
    (r"^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 1_000_000),
    (r"\s+$", "x" + " " * 1_000_000 + "x"),
    (r"(?x) (a | a) * $", "a" * 60 + "b"),
    ("".join(r"(?=(a+))\1" for _ in range(4)) + "b|(a|aa)+$", "a" * 100 + "b"),
]


@pytest.mark.parametrize(("pattern", "text"), SLOW)
def test_what_would_take_for_ever_is_an_error_soon(pattern: str, text: str) -> None:
    started = time.process_time()
    with regex_time(RegexTime(0.2)), pytest.raises(PatternTooSlow, match="takes too long"):
        search(pattern, text)
    assert time.process_time() - started < 2


def test_many_slow_patterns_share_one_time() -> None:
    started = time.process_time()
    with regex_time(RegexTime(0.2)):
        for letter in "abcdefghij":
            with pytest.raises(PatternTooSlow):
                search(f"({letter}|{letter})*$", letter * 60 + "!")
            assert search(r"(?:\d+-)+\d+", "on 2026-03-05 it is") is not None  # each has a moment
    assert time.process_time() - started < 2


def test_replacing_is_bounded_too() -> None:
    assert sub(r"(?:a+)+b", lambda match: f"<{match[0]}>", "xaab") == "x<aab>"
    assert sub(r"\d+", lambda match: "#", "a1b22") == "a#b#"
    with regex_time(RegexTime(0.1)), pytest.raises(PatternTooSlow):
        sub(r"(a|a)*$", lambda match: "", "a" * 60 + "b")


@pytest.mark.parametrize("pattern", ["(", "a**", "[", "(?P<a>x)(?P<a>y)", r"\p{L}", "(?<name>x)", "(" * 20_000])
def test_what_is_no_pattern_of_pythons_is_a_value_error(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        compile_pattern(pattern)


PARTS = st.sampled_from(
    [
        r"a",
        r"b",
        r".",
        r"^",
        r"$",
        r"|",
        r"{",
        r"}",
        r"]",
        r"é",
        r"ß",
        r"\d",
        r"\w",
        r"\s",
        r"\b",
        r"\{",
        r"\Z",
        r"\A",
        r"\.",
        r"[ab]",
        r"[^a]",
        r"[{]",
        r"{e}",
        r"x{s}",
        r"{a,b}",
        r"(a|b)",
        r"(?:ab)",
        r"(?P<n>a)",
        r"(?=a)",
        r"(?!b)",
        r"(?<=a)",
        r"(a)?",
        r"(?i:A)",
    ]
)
REPEATS = st.sampled_from(["", "", "", "*", "+", "?", "{2}", "{1,2}", "{,2}", "*?", "+?"])
TEXTS = ("", "a", "aab ba", "a{b}", "x{s}", "12 ab", "É ß ss", "a\nb", "{e}", "bbbba")


@settings(deadline=None)
@given(st.lists(st.tuples(PARTS, REPEATS), max_size=5))
def test_both_ways_of_searching_find_the_same(parts: list[tuple[str, str]]) -> None:
    pattern = "".join(map("".join, parts))
    try:
        compiled = re.compile(pattern)
    except re.error:
        return
    for text in TEXTS:
        one, other = compiled.search(text), bounded_regex._stoppable(pattern).search(text, timeout=1)
        assert (one and (one.span(), one.groups())) == (other and (other.span(), other.groups()))


@settings(deadline=None)
@given(st.lists(st.tuples(PARTS, REPEATS), max_size=6), st.text("ab {e\n", max_size=60))
def test_what_is_said_to_take_no_time_takes_none(parts: list[tuple[str, str]], text: str) -> None:
    pattern = "".join(map("".join, parts))
    try:
        re.compile(pattern)
    except re.error:
        return
    if bounded_regex.cannot_take_long(pattern, len(text) * 4):
        started = time.process_time()
        search(pattern, text * 4)
        assert time.process_time() - started < 1
