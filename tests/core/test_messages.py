"""Values of a conversation, and their one JSON form."""

from __future__ import annotations

import json

from runner.core.errors import GatewayError
from runner.core.events import Asked, Notice, TextDelta, ToolFinished, TurnEnded
from runner.core.messages import Message, ToolCall, ToolResult, Usage


def test_usage_adds_up():
    assert Usage(1, 2, 3, 4) + Usage(10, 20, 30, 40) == Usage(11, 22, 33, 44)
    assert Usage(1, 2, 3, 4).total_tokens == 3


def test_a_call_that_could_not_be_read_is_shown_as_it_was_written():
    assert ToolCall("1", "f", None, '{"a": ', "cut").to_dict()["arguments"] == '{"a": '
    assert ToolCall("1", "f", {"a": 1}, '{"a":1}').to_dict()["arguments"] == {"a": 1}


def test_events_and_messages_are_json_with_their_type_first():
    events = [
        Asked("x"),
        TextDelta("y"),
        ToolFinished(ToolResult("1", "f", {"a": [1]})),
        Notice("retry", "again", {"seconds": 1}),
        TurnEnded(Usage(), 1.5),
    ]
    for event in events:
        shown = json.loads(json.dumps(event.to_dict()))
        assert next(iter(shown)) == "type"
    assert not Message.assistant("half", finish="incomplete").complete
    assert Message.user("hi").to_dict() == {"role": "user", "text": "hi"}


def test_an_error_reads_as_what_where_why_fix():
    error = GatewayError("it broke", where="http://x", fix="mend it")
    assert str(error) == "it broke\n  where: http://x\n  fix:   mend it"
    assert str(GatewayError("x", why="two\nagent-run: lines")) == "x\n  why:   two\n         agent-run: lines"
    assert error.to_dict() == {
        "type": "error",
        "code": "GW-ERROR",
        "what": "it broke",
        "where": "http://x",
        "why": "",
        "fix": "mend it",
    }
