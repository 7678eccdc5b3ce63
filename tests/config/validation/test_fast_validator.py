"""The quick yes never says yes where the library says no, and says it to every good file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.config.validation.fast_validator import certainly_valid
from runner.config.validation.schema import schema
from runner.config.yaml.parser import load_document
from thoroughness import examples

HERE = Path(__file__).parent.parent
AGENT = schema("agent")
LIBRARY = jsonschema.Draft202012Validator(AGENT)
GOOD = [
    value for path in sorted((HERE / "good").glob("*.yaml")) if "extends" not in (value := load_document(path).value)
]
ODD = st.sampled_from(
    [None, True, False, 0, 1, -1, 2.5, 10**9, "", "x", "auto", "none", "./x.py:f", [], ["x"], [1], {}, {"x": 1}]
)


@pytest.mark.parametrize("value", GOOD, ids=range(len(GOOD)))
def test_good_files_are_surely_right(value: Any):
    assert certainly_valid(value, AGENT, AGENT)


def containers(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [value] * isinstance(value, dict | list) + [each for child in inner for each in containers(child)]


@settings(max_examples=examples(200), deadline=None)
@given(data=st.data())
def test_it_is_never_surer_than_the_library(data: st.DataObject):
    import copy

    value = copy.deepcopy(data.draw(st.sampled_from(GOOD)))
    for _ in range(data.draw(st.integers(1, 2))):
        target = data.draw(st.sampled_from(containers(value)))
        odd = copy.deepcopy(data.draw(ODD))
        if isinstance(target, list):
            target.insert(data.draw(st.integers(0, len(target))), odd)
        else:
            key = data.draw(st.sampled_from([*target, "unknown", "name", "tools", "9"]))
            if data.draw(st.booleans()) and key in target:
                del target[key]
            else:
                target[key] = odd
    if certainly_valid(value, AGENT, AGENT):
        assert LIBRARY.is_valid(value)


@pytest.mark.parametrize(
    "node",
    [
        {"oneOf": []},
        {"if": True},
        {"format": "date"},
        {"type": "string", "maxLength": 5},
        {"unevaluatedProperties": False},
    ],
)
def test_an_unknown_keyword_is_left_to_the_library(node: dict[str, Any]):
    assert not certainly_valid("x", node, node)
