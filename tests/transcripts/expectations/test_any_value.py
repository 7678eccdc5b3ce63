"""Every matcher and every kind of expectation takes any JSON value on either side, and raises nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.json_schema import JsonSchema
from runner.core.messages import ToolSpec
from runner.gateways import Request
from runner.transcripts.expectations import MODULES, expectation_kind
from runner.transcripts.expectations.evaluate import evaluate
from runner.transcripts.expectations.matchers import MATCHERS, differences, json_equal, problem, value_differences
from runner.transcripts.expectations.turn_result import ActualCall, TurnResult
from runner.transcripts.expectations.vacuity import ANY, COUNT, always_matches, never_matches
from runner.transcripts.model import Expectation

NUMBERS = st.integers(-(10**400), 10**400) | st.floats() | st.sampled_from([0, 1, 1.0, -0.0, 10**400])
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=5) | st.sampled_from(["2026-03-13", "(", "a+", "$.a"])
KEYS = st.text(max_size=3) | st.sampled_from([*MATCHERS, "a", "times", "returned", "mode", "calls", "min", "max", "at"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
MATCHING = st.builds(lambda key, operand: {key: operand}, st.sampled_from(list(MATCHERS)), VALUES) | VALUES


class Nowhere:
    location = None


@given(MATCHING, VALUES)
@settings(max_examples=400, deadline=None)
def test_a_matcher_has_a_problem_or_compares_whatever_there_is(expected: Any, actual: Any) -> None:
    assert list(value_differences(actual, actual)) == []
    assert bool(list(value_differences(expected, actual))) != json_equal(expected, actual)
    if problem(expected):
        return
    differs = bool(list(differences(expected, actual)))
    for types in (ANY, COUNT, frozenset({"string"}), frozenset({"object"})):
        assert not (always_matches(expected, types) and never_matches(expected, types))
    assert not (differs and always_matches(expected))
    assert differs or not never_matches(expected)


@given(st.sampled_from(sorted(MODULES.keys() - {"python"})), VALUES, VALUES, st.booleans())
@settings(max_examples=600, deadline=None)
def test_an_expectation_is_broken_or_judged_whatever_its_value(key: str, value: Any, other: Any, negated: bool) -> None:
    call = ActualCall("a", {"a": other}, "", 1, other)
    turn = TurnResult(f"{other}", (call,), requests=(Request("m", (), "s", (ToolSpec("a", "", {}),)),))
    expectation = Expectation(key, value, Nowhere(), negated, templated=True)  # type: ignore[arg-type]
    result = evaluate(expectation, turn)
    valid = JsonSchema(expectation_kind(key).schema).is_valid(value)
    assert valid or result.state == "broken"


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": [value]}
    return value


@pytest.mark.slow
def test_values_of_any_depth_are_compared() -> None:
    deep, other = nested(10_000), nested(10_001)
    assert json_equal(deep, nested(10_000)) and not json_equal(deep, other)
    assert len(list(value_differences(deep, other))) == 1
    assert list(differences({"a": 1}, deep))
    assert list(differences({"$eq": 1}, deep)) and not list(differences({"$eq": deep}, deep))
    assert not list(value_differences(float("nan"), float("nan")))
