"""Vacuity: what nothing can break is not run; what something can break, however unlikely, is judged."""

from __future__ import annotations

from typing import Any

import pytest

from runner.transcripts.expectations import expectation_kind
from runner.transcripts.expectations.evaluate import evaluate
from runner.transcripts.expectations.turn_result import TurnResult
from runner.transcripts.expectations.vacuity import COUNT, always_matches, matches_every_text, never_matches
from runner.transcripts.model import Expectation


class Nowhere:
    location = None


NOTHING_BREAKS = [
    ("contains", " "),
    ("contains", "\n\t "),
    ("contains", {"any": ["x", " "]}),
    ("contains", {"all": [" ", "\r\n"]}),
    ("icontains", " "),
    ("regex", ".*"),
    ("regex", "^"),
    ("regex", r"\s*"),
    ("words", {"min": 0}),
    ("words", {"max": 1_000_000_000}),
    ("tools", {"mode": "superset", "calls": []}),
    ("tools", {"mode": "in_order", "calls": []}),
    ("tools", {"mode": "superset", "calls": [{"a": {"x": {"$not": {"$ignore": True}}}, "times": 0}]}),
    ("request", {"options": {}}),
    ("request", {"options": {"temperature": {"$ignore": True}}}),
    ("request", {"system": {"$regex": ""}, "model": {"$ignore": True}}),
    ("request", {"system": {"$icontains": ""}}),
    ("request", {"tools": {"$len": {"$range": [0, None]}}}),
    ("request", {"messages": {"$range": [None, None]}}),
    ("request", {"messages": {"$not": {"$range": [None, -1]}}}),
    ("request", {"model": {"$not": {"$range": [1, 2]}}}),
    ("request", {"system": {"$any": ["x", {"$regex": "$"}]}}),
    ("budget", {"calls": 10**12}),
]
NOTHING_FULFILS = [
    ("exit", 99),
    ("exit", 1),
    ("json", {"schema": False}),
    ("json", {"at": {"$.a": {"$not": {"$ignore": True}}}}),
    ("json", {"at": {"$.a": {"$all": [1, {"$oneof": ["a"]}, {"$not": {"$ignore": True}}]}}}),
    ("request", {"messages": "3"}),
    ("request", {"tools": "find"}),
    ("request", {"model": {"$len": {"$range": [-3, -1]}}}),
    ("request", {"options": {"a": {"$not": {"$ignore": True}}}}),
    ("tools", [{"a": {"x": {"$not": {"$any": [{"$ignore": True}]}}}}]),
    ("tools", [{"a": {}, "returned": {"$not": {"$ignore": True}}}]),
]
JUDGED = [
    ("contains", {"all": ["March", " "]}),
    ("contains", "."),
    ("regex", "."),
    ("regex", "^(?!.*sorry)"),
    ("regex", "^((?!I cannot).)*$"),
    ("regex", "^.{0,500}$"),
    ("regex", "^[^<>]*$"),
    ("regex", r"^(?!.*\b(?:4|5)\d\d\b)"),
    ("regex", "^$"),
    ("words", {"min": 1}),
    ("words", {"min": 0, "max": 50}),
    ("words", 0),
    ("json", {}),
    ("json", {"at": {}}),
    ("json", {"at": {"$.a": {"$ignore": True}}}),
    ("json", {"at": {"$.a": {"$len": {"$range": [0, None]}}}}),
    ("tools", []),
    ("tools", {"mode": "subset", "calls": []}),
    ("tools", {"mode": "any_order", "calls": []}),
    ("tools", {"mode": "superset", "calls": [{"a": {}}]}),
    ("tools", {"mode": "superset", "calls": [{"a": {}, "times": 0}]}),
    ("request", {"options": {"temperature": 0.2}}),
    ("request", {"model": {"$not": "m"}}),
    ("request", {"system": {"$not": {"$regex": "cruel"}}}),
    ("request", {"system": {"$regex": "^(?!.*secret)"}}),
    ("request", {"tools": {"$len": {"$range": [1, None]}}}),
    ("request", {"messages": {"$range": [0, 9]}}),
    ("budget", {"calls": 3}),
    ("events", ["turn"]),
    ("finish", ["stop", "length"]),
    ("exit", 0),
    ("text", ""),
]


def result_of(key: str, value: Any, *, negated: bool = False) -> str:
    assert expectation_kind(key).problem(value) == ""
    return evaluate(Expectation(key, value, Nowhere(), negated), TurnResult(text="a b")).state  # type: ignore[arg-type]


@pytest.mark.parametrize(("key", "value"), NOTHING_BREAKS)
def test_what_nothing_can_break_is_not_run(key: str, value: Any) -> None:
    assert result_of(key, value) == "not_run"


@pytest.mark.parametrize(("key", "value"), NOTHING_FULFILS)
def test_the_opposite_of_what_cannot_be_is_not_run(key: str, value: Any) -> None:
    assert result_of(key, value, negated=True) == "not_run"
    assert result_of(key, value) == "fail"


@pytest.mark.parametrize(("key", "value"), JUDGED)
def test_what_something_can_break_is_judged(key: str, value: Any) -> None:
    assert {result_of(key, value), result_of(key, value, negated=True)} == {"pass", "fail"}


@pytest.mark.parametrize(
    "pattern",
    ["", "a*", "(foo)?", "(?s)^.*$", "x{0}", "()", "|", "(?:)", r"\b|", "(?=)", "(?!x)x|", r"^\S|^$", "(?m)$"],
)
def test_a_pattern_that_finds_something_everywhere(pattern: str) -> None:
    assert matches_every_text(pattern)


def test_a_pattern_that_takes_too_long_or_is_none_is_not_taken_for_vacuous() -> None:
    assert not matches_every_text("(")
    assert not matches_every_text(r"(?s)^(?:.|.)*a|^(x|x)*y|^(.|.)*$")


def test_types_decide() -> None:
    assert not always_matches({"$range": [None, None]})
    assert always_matches({"$range": [0, None]}, COUNT)
    assert never_matches(1.5, COUNT)
    assert not never_matches(2.0, COUNT)
    assert never_matches(None, frozenset({"string"}))
    assert not never_matches({"a": 1})
