"""Whatever happened in a conversation, what is sent would pass a server that refuses any bad pairing."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.history import Exchange, History
from runner.core.messages import Message, ToolCall, ToolResult
from runner.gateways import Request, connect

WORDS = st.sampled_from(["", " ", "hello", "Grüße \U0001f600", "\ud800"])
IDS = st.sampled_from(["call_1", "call_2", "toolu_01AbC", "AbCdEfGh1", "ollama call", "é"])
ARGUMENTS = st.sampled_from(
    [({}, "{}"), ({"at": "x"}, '{"at": "x"}'), (None, '{"at'), ({}, ""), ({"n": 1}, ' {"n":1}')]
)


@st.composite
def replies(draw: st.DrawFn) -> Exchange:
    ids = draw(st.lists(IDS, max_size=3, unique=True))
    calls = tuple(ToolCall(id, "look", *draw(ARGUMENTS)) for id in ids)
    finish = draw(st.sampled_from(["stop", "length", "incomplete", "cancelled", "tool_calls"]))
    reply = Message("assistant", draw(WORDS), calls=calls, finish=finish, thinking=draw(WORDS))
    answered = [
        ToolResult(call.id, call.name, draw(st.sampled_from(["seen", {"a": [1]}, None])), failed=draw(st.booleans()))
        for call in calls
        if draw(st.booleans())
    ]
    return Exchange.of(reply, answered)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    history = History()
    for _ in range(draw(st.integers(1, 4))):
        turn = history.open(Message.user(draw(WORDS)))
        turn.exchanges += draw(st.lists(replies(), max_size=3))
    return history.messages()


def hold_chat(messages: list[dict[str, Any]]) -> None:
    """What a strict server of chat completions checks."""
    waiting: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            assert waiting, "a result without its call"
            assert message["tool_call_id"] == waiting.pop(0)
            assert isinstance(message["content"], str)
            continue
        assert not waiting, "a call without its result"
        for call in message.get("tool_calls", ()):
            assert isinstance(json.loads(call["function"]["arguments"]), dict)
            waiting.append(call["id"])
        assert len(set(waiting)) == len(waiting)
        assert "content" in message
    assert not waiting, "a call without its result"


def hold_turns(messages: list[dict[str, Any]]) -> None:
    """What a template checks that wants user and assistant in turns."""
    spoken = [message["role"] for message in messages if message["role"] != "system"]
    for pair in pairwise(spoken):
        assert pair not in (("user", "user"), ("tool", "user"), ("assistant", "assistant"))


@pytest.mark.parametrize("name", ["openai", "mistral", "llamacpp", "deepseek"])
@settings(max_examples=60, deadline=None)
@given(messages=conversations())
def test_chat_completions(name: str, messages: tuple[Message, ...]):
    sent = json.loads(connect(name).encode(Request("m", messages, system="Be kind.")))["messages"]
    assert sent[0] == {"role": "system", "content": "Be kind."}
    hold_chat(sent)
    if name in ("mistral", "llamacpp"):
        hold_turns(sent)
    if name == "mistral":
        ids = [call["id"] for message in sent for call in message.get("tool_calls", ())]
        assert all(len(id) == 9 and id.isalnum() and id.isascii() for id in ids)


@settings(max_examples=60, deadline=None)
@given(messages=conversations())
def test_ollama(messages: tuple[Message, ...]):
    waiting: list[str] = []
    for message in json.loads(connect("ollama").encode(Request("m", messages)))["messages"]:
        if message["role"] == "tool":
            assert message["tool_call_id"] == waiting.pop(0)
            continue
        assert not waiting
        for call in message.get("tool_calls", ()):
            assert isinstance(call["function"]["arguments"], dict)
            waiting.append(call["id"])
    assert not waiting
