"""Variables are coerced by their types, and refused in words."""

from __future__ import annotations

from typing import Any

import pytest

from runner.config.agent import Variable
from runner.config.template.variables import bind_variables, parse_var_options, parse_variable
from runner.core.errors import UsageError

VARIABLES = {
    "text": Variable("text", default="x"),
    "count": Variable("count", "integer", 1),
    "share": Variable("share", "number", 0.5),
    "on": Variable("on", "boolean", False),
    "words": Variable("words", "list", ("a",)),
    "level": Variable("level", default="low", choices=("low", "high")),
}


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("text", "5", "5"),
        ("text", "", ""),
        ("text", "a=b: [c", "a=b: [c"),
        ("count", "5", 5),
        ("count", " 0x10 ", 16),
        ("count", 7, 7),
        ("share", "1", 1),
        ("share", "1e-3", 0.001),
        ("on", "true", True),
        ("words", "a, 2,c", ["a", 2, "c"]),
        ("words", "", []),
        ("words", ["z"], ["z"]),
        ("level", "high", "high"),
    ],
)
def test_given_values(name: str, given: Any, expected: Any):
    found = bind_variables(VARIABLES, {name: given})[name]
    assert found == expected
    assert type(found) is type(expected)


def test_defaults():
    bound = bind_variables(VARIABLES, {})
    assert bound == {"text": "x", "count": 1, "share": 0.5, "on": False, "words": ["a"], "level": "low"}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"txt": "x"}, "no variable 'txt'"),
        ({"count": "five"}, "'count' must be of type integer"),
        ({"count": "1.5"}, "must be of type integer"),
        ({"count": "true"}, "must be of type integer"),
        ({"count": ""}, "must be of type integer"),
        ({"on": "yes"}, "must be of type boolean"),
        ({"on": 1}, "must be of type boolean"),
        ({"text": 5}, "must be of type string"),
        ({"level": "middle"}, "must be one of low, high"),
    ],
)
def test_refused_values(given: dict[str, Any], why: str):
    with pytest.raises(UsageError, match=why):
        bind_variables(VARIABLES, given)


def test_the_nearest_name_and_what_is_missing():
    with pytest.raises(UsageError) as caught:
        bind_variables(VARIABLES, {"cuont": "1"}, where="a.yaml:3")
    assert (caught.value.where, caught.value.fix) == ("a.yaml:3", "did you mean 'count'?")
    with pytest.raises(UsageError) as caught:
        bind_variables({"x": parse_variable("x", {"type": "string", "description": "what for"})}, {})
    assert (caught.value.why, caught.value.fix) == ("what for", "--var x=VALUE")
    assert bind_variables({"x": parse_variable("x", {"required": False})}, {}) == {"x": None}


def test_pairs():
    assert parse_var_options(["a=1", "b=x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}
    for wrong in ("a", "=1", ""):
        with pytest.raises(UsageError, match="not K=V"):
            parse_var_options([wrong])
