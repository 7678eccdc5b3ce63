"""Whole numbers: what a schema counts is an integer, however YAML writes it; all other floats stay."""

from __future__ import annotations

from typing import Any

import pytest

from runner.config.validation.schema import schema_violations

SCRIPT = {"transcript": 1, "agent": "a.yaml"}


def expectation(value: dict[str, Any]) -> dict[str, Any]:
    return SCRIPT | {"turns": [{"user": "Hi", "expect": [value]}]}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"words": 15.0}, {"words": 15}),
        ({"words": {"min": 1.0, "max": 1e3}}, {"words": {"min": 1, "max": 1000}}),
        ({"not": {"budget": {"calls": 2.0, "cost_usd": 1.0}}}, {"not": {"budget": {"calls": 2, "cost_usd": 1.0}}}),
        ({"tools": [{"f": {"x": 1.0}, "times": 2.0}]}, {"tools": [{"f": {"x": 1.0}, "times": 2}]}),
        ({"tools": {"calls": [{"f": {}, "times": 0.0}]}}, {"tools": {"calls": [{"f": {}, "times": 0}]}}),
        ({"exit": 4.0}, {"exit": 4}),
        ({"json": {"at": {"$.a": 1.0}}}, {"json": {"at": {"$.a": 1.0}}}),
    ],
)
def test_counts_are_integers(given: dict[str, Any], found: dict[str, Any]) -> None:
    value = expectation(given)
    assert schema_violations(value, "transcript", "script") == []
    assert repr(value) == repr(expectation(found))


def test_a_seed_is_an_integer_and_a_variable_what_it_is() -> None:
    value = SCRIPT | {"turns": [{"user": "Hi"}], "seed": 7.0, "variables": {"n": 7.0}}
    assert schema_violations(value, "transcript", "script") == []
    assert repr((value["seed"], value["variables"])) == "(7, {'n': 7.0})"
    assert schema_violations(expectation({"words": 1.5}), "transcript", "script")
