"""A real server, llama.cpp with the embedded model, asked in each dialect that it speaks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from decoding import assembled
from runner.core.errors import PromptTooLong
from runner.core.messages import Message, ToolCall, ToolResult, ToolSpec
from runner.gateways import Gateway, Request, dialect_class

CLOCK = ToolSpec("clock", "The time.", {"type": "object", "properties": {"zone": {"type": "string"}}})
HELLO = Message.user("Say hello.")


@pytest.fixture(params=["openai", "responses", "anthropic"])
def gateway(request: pytest.FixtureRequest, llama_server: Any) -> Iterator[Gateway]:
    made = dialect_class(request.param)(url=llama_server.url + "/v1", key=llama_server.key)
    yield made
    made.close()


def test_a_stream_says_what_one_piece_says_and_can_be_answered(gateway, llama_server):
    options = {"max_tokens": 8, "temperature": 0}
    asked = {"model": llama_server.model, "messages": (HELLO,), "system": "Be brief.", "options": options}
    first, whole = (assembled(gateway.stream(Request(**asked, stream=stream))) for stream in (True, False))
    assert first.message().text == whole.message().text != ""
    assert first.message().finish == whole.message().finish
    assert first.done.usage.output_tokens == whole.done.usage.output_tokens > 0
    again = (HELLO, first.message(), Message.user("Again."))
    assert assembled(gateway.stream(Request(**asked | {"messages": again}))).message().complete


def test_a_conversation_with_tools_is_taken(gateway, llama_server):
    asked = Message.assistant("Let me see.", calls=[ToolCall("c1", "clock", {"zone": "UTC"}, '{"zone": "UTC"}')])
    messages = (Message.user("What time is it?"), asked, Message.tool([ToolResult("c1", "clock", "12:00")]))
    request = Request(llama_server.model, messages, tools=(CLOCK,), options={"max_tokens": 8})
    assert assembled(gateway.stream(request)).message().complete


def test_a_prompt_too_long_is_refused_with_the_window(gateway, llama_server):
    request = Request(llama_server.model, (Message.user("word " * 40_000),), options={"max_tokens": 8})
    with pytest.raises(PromptTooLong) as caught:
        list(gateway.stream(request))
    assert caught.value.window == llama_server.window


def test_the_window_is_listed(llama_server):
    gateway = dialect_class("openai")(
        url=llama_server.url + "/v1", key=llama_server.key, quirks={"lists_windows": True}
    )
    assert gateway.capabilities(llama_server.model).window == llama_server.window
    gateway.close()
