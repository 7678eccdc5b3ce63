"""Whatever happened in a conversation, what is sent would pass a server that refuses any bad pairing."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.history import Exchange, History
from runner.core.messages import Message, ToolCall, ToolResult
from runner.gateways import Request, connect
from runner.gateways.dialects import anthropic, gemini, responses
from thoroughness import examples

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
@settings(max_examples=examples(60), deadline=None)
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


@settings(max_examples=examples(60), deadline=None)
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


@settings(max_examples=examples(60), deadline=None)
@given(messages=conversations())
def test_anthropic(messages: tuple[Message, ...]):
    """Turns alternate; the calls of one are all answered at the beginning of the next; no text is blank."""
    waiting: list[str] = []
    sent = json.loads(anthropic.encode(Request("m", messages)))["messages"]
    for message in sent:
        blocks = message["content"]
        answered = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        assert [block["type"] for block in blocks[: len(answered)]] == ["tool_result"] * len(answered)
        assert answered == waiting
        waiting = [block["id"] for block in blocks if block["type"] == "tool_use"]
        assert len(set(waiting)) == len(waiting)
        assert all(re.fullmatch("[a-zA-Z0-9_-]+", id) for id in waiting)
        assert all(block["text"].strip() for block in blocks if block["type"] == "text")
    assert not waiting
    assert all(one["role"] != other["role"] for one, other in pairwise(sent))


@settings(max_examples=examples(60), deadline=None)
@given(messages=conversations())
def test_responses(messages: tuple[Message, ...]):
    """Each call has its output behind it, before anything else is said; ids are short enough."""
    waiting: list[str] = []
    for item in json.loads(responses.encode(Request("m", messages)))["input"]:
        match item.get("type"):
            case "function_call":
                assert isinstance(json.loads(item["arguments"]), dict)
                assert len(item["call_id"]) <= 64
                waiting.append(item["call_id"])
            case "function_call_output":
                assert item["call_id"] == waiting.pop(0)
            case _:
                assert not waiting
    assert not waiting


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "gemini-3-pro"])
@settings(max_examples=examples(40), deadline=None)
@given(messages=conversations())
def test_gemini(model: str, messages: tuple[Message, ...]):
    """As many responses as calls, in the very next turn and in their order; no part is blank."""
    waiting: list[str] = []
    sent = json.loads(gemini.encode(Request(model, messages)))["contents"]
    for content in sent:
        parts = content["parts"]
        assert [part["functionResponse"]["id"] for part in parts if "functionResponse" in part] == waiting
        waiting = [part["functionCall"]["id"] for part in parts if "functionCall" in part]
        assert all(isinstance(part["functionCall"]["args"], dict) for part in parts if "functionCall" in part)
        assert all(part["text"].strip() for part in parts if "text" in part)
    assert not waiting
    assert all(one["role"] != other["role"] for one, other in pairwise(sent))
