"""Structured replies are strict JSON that keeps its schema; everything else is asked again."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner import Broker
from runner.core.errors import ReplyInvalid, UsageError
from runner.core.messages import Message
from runner.engine.structured import ReplySchema
from thoroughness import examples

ANY = ReplySchema({})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"n": 1}', {"n": 1}),
        (' "x"\n', "x"),
        ('Here:\n```json\n{"n": 1}\n```\nDone.', {"n": 1}),
        ("```\r\n[1]\r\n```", [1]),
        ('"\\ud800"', "\ufffd"),
    ],
)
def test_the_value_is_the_text_or_its_first_fenced_block(text, value):
    assert ANY.problem(text) == "" and ANY.value(text) == value


@pytest.mark.parametrize(
    "text", ["", "no", "NaN", "1e999", "-Infinity", '{"a": 1, "a": 2}', "[" * 500 + "]" * 500, "9" * 5000, "{} {}"]
)
def test_what_is_no_plain_json_is_a_problem(text):
    assert "not JSON" in ANY.problem(text)


@settings(max_examples=examples(100), deadline=None)
@given(st.text(st.characters(codec=None)), st.sampled_from(["{}", "```json\n{}\n```", '"{}"']))
def test_no_text_breaks_the_check(text, form):
    ReplySchema({"type": "object", "required": ["n"]}).problem(form.format(text))


@pytest.mark.parametrize("schema", [{"type": "nope"}, {"$ref": "#/nowhere"}, {"$ref": "file:///etc/hostname"}])
def test_a_schema_that_is_none_is_the_callers_mistake(asked, schema):
    with pytest.raises(UsageError, match="schema"):
        Broker("m", asked("1")).generate([Message.user("hi")], schema=schema)


def test_only_the_newest_wrong_reply_is_shown_to_the_model_and_none_enters_the_history(asked):
    gateway = asked("bad one", "bad two", "bad three")
    with pytest.raises(ReplyInvalid):
        Broker("m", gateway).generate([Message.user("n?")], schema={"type": "integer"})
    assert [message.text for message in gateway.requests[2].messages[:2]] == ["n?", "bad two"]
    assert Broker("m", asked("x", "3")).generate([Message.user("n?")], schema={"type": "integer"}) == 3
