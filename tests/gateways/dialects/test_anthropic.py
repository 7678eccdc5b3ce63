"""The Messages dialect: what is sent, in both versions of the API, and what is made of what comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from decoding import assembled
from runner import Broker, ChatSession
from runner.core.chunks import Assembly
from runner.core.errors import (
    IncompleteReply,
    KeyRefused,
    ModelMissing,
    PromptTooLong,
    ProtocolBroken,
    RateLimited,
    Rejected,
    ServerFailed,
    UsageError,
)
from runner.core.history import Exchange
from runner.core.messages import Attachment, Message, Opaque, ToolCall, ToolResult, ToolSpec, Usage
from runner.gateways import Request
from runner.gateways.dialects.anthropic import Anthropic, _blocks, encode
from runner.gateways.dialects.anthropic_decoder import AnthropicDecoder
from runner.gateways.dialects.request_body import MessageCache
from runner.gateways.http.error_context import ErrorContext

SONNET = "claude-sonnet-4-5"
OPUS = "claude-opus-4-7"


def sent(*messages: Message, **given: Any) -> dict[str, Any]:
    """The body of a request, as the server reads it."""
    return json.loads(encode(Request(given.pop("model", SONNET), messages, **given)))


def events(*said: dict[str, Any]) -> bytes:
    return b"".join(b"event: %s\ndata: %s\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in said)


def begin(**usage: int) -> dict[str, Any]:
    message = {"type": "message", "model": "claude-sonnet-4-5-20250929", "content": [], "usage": usage}
    return {"type": "message_start", "message": message}


def block(index: int, head: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    grown = [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
    return [
        {"type": "content_block_start", "index": index, "content_block": head},
        *grown,
        {"type": "content_block_stop", "index": index},
    ]


def text(*pieces: str, index: int = 0) -> list[dict[str, Any]]:
    return block(index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": piece} for piece in pieces))


def thinking(index: int, *pieces: str, signature: str) -> list[dict[str, Any]]:
    deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces]
    head = {"type": "thinking", "thinking": "", "signature": ""}
    return block(index, head, *deltas, {"type": "signature_delta", "signature": signature})


def call(index: int, id: str, name: str, *pieces: str) -> list[dict[str, Any]]:
    head = {"type": "tool_use", "id": id, "name": name, "input": {}}
    return block(index, head, *({"type": "input_json_delta", "partial_json": piece} for piece in pieces))


def finish(reason: str | None = "end_turn", **usage: int) -> list[dict[str, Any]]:
    return [
        {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage},
        {"type": "message_stop"},
    ]


def decoded(data: bytes, model: str = SONNET) -> Assembly:
    decoder = AnthropicDecoder(ErrorContext("anthropic", "https://x", model))
    return assembled([*decoder.feed(data), *([] if decoder.ended else decoder.end())])


THOUGHT = [
    begin(input_tokens=10, cache_read_input_tokens=5, cache_creation_input_tokens=2),
    {"type": "ping"},
    *thinking(0, "let me ", "see", signature="c2lnbmVk=="),
    *text("Looking", " it up.", index=1),
    *call(2, "toolu_1", "weather", '{"city": "P', 'aris"}'),
    *finish("tool_use", output_tokens=20),
]


# What comes back.


def test_a_reply_with_thoughts_text_and_a_call():
    reply = decoded(events(*THOUGHT))
    message = reply.message()
    assert message.text == "Looking it up."
    assert message.thinking == "let me see"
    assert message.calls == (ToolCall("toolu_1", "weather", {"city": "Paris"}, '{"city": "Paris"}'),)
    assert message.finish == "tool_calls"
    assert reply.done.raw_finish == "tool_use"
    assert reply.done.model == "claude-sonnet-4-5-20250929"
    assert reply.done.usage == Usage(17, 20, cached_tokens=5)


def test_thinking_goes_back_byte_for_byte_to_the_model_that_thought_it():
    reply = decoded(events(*THOUGHT)).message()
    results = Message.tool([ToolResult("toolu_1", "weather", "rain")])
    said = sent(Message.user("Weather?"), reply, results)
    assert said["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "let me see", "signature": "c2lnbmVk=="},
        {"type": "text", "text": "Looking it up."},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}},
    ]
    other = sent(Message.user("Weather?"), reply, results, model=OPUS)
    assert [part["type"] for part in other["messages"][1]["content"]] == ["text", "tool_use"]


def test_kept_blocks_are_left_out_when_the_calls_are_no_longer_theirs():
    kept = Opaque("anthropic", SONNET, [{"type": "tool_use", "id": "a", "name": "f", "input": {}}])
    reply = Message("assistant", "hm", calls=(ToolCall("b", "f", {}),), finish="tool_calls", opaque=kept)
    said = sent(Message.user("x"), reply, Message.tool([ToolResult("b", "f", "1")]))
    assert [part.get("id") for part in said["messages"][1]["content"]] == [None, "b"]


def test_nothing_is_kept_where_text_and_calls_say_it_all():
    plain = decoded(events(begin(), *text("Hi"), *call(1, "t", "f", "{}"), *finish("tool_use")))
    assert plain.done.opaque is None


def test_empty_texts_are_not_kept_since_the_server_refuses_them():
    reply = decoded(
        events(begin(), *thinking(0, "hm", signature="s"), *text(index=1), *text("Yes", index=2), *finish())
    )
    assert [part["type"] for part in reply.done.opaque.content] == ["thinking", "text"]


def test_redacted_thinking_is_kept_as_it_came():
    hidden = {"type": "redacted_thinking", "data": "EmwKAhgB"}
    reply = decoded(events(begin(), *block(0, hidden), *text("Yes", index=1), *finish()))
    assert reply.done.opaque.content[0] == hidden


@pytest.mark.parametrize(
    ("raw", "known"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("pause_turn", "length"),
        ("refusal", "content_filter"),
        ("something_new", "stop"),
    ],
)
def test_stop_reasons(raw, known):
    done = decoded(events(begin(), *text("x"), *finish(raw))).done
    assert (done.finish, done.raw_finish) == (known, raw)


@pytest.mark.parametrize(("pieces", "arguments"), [((), {}), (("",), {}), (("{}",), {}), (('{"a"', ":1}"), {"a": 1})])
def test_arguments_in_any_number_of_pieces(pieces, arguments):
    message = decoded(events(begin(), *call(0, "t", "f", *pieces), *finish("tool_use"))).message()
    assert message.calls[0].arguments == arguments


def test_arguments_that_come_whole_at_the_start():
    head = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}
    assert decoded(events(begin(), *block(0, head), *finish("tool_use"))).message().calls[0].arguments == {"a": 1}


def test_arguments_cut_by_the_limit_are_not_taken_for_arguments():
    reply = decoded(
        events(begin(), *thinking(0, "hm", signature="s"), *call(1, "t", "f", '{"path": "/a'), *finish("max_tokens"))
    )
    message = reply.message()
    assert message.finish == "length"
    assert message.calls[0].arguments is None
    assert message.calls[0].raw == '{"path": "/a'
    assert reply.done.opaque is None


def test_two_calls_that_arrive_interleaved():
    first, second = call(0, "a", "f", '{"x":1}'), call(1, "b", "g", '{"y":2}')
    mixed = [first[0], second[0], second[1], first[1], first[2], second[2]]
    calls = decoded(events(begin(), *mixed, *finish("tool_use"))).message().calls
    assert [(each.id, each.name, each.arguments) for each in calls] == [("a", "f", {"x": 1}), ("b", "g", {"y": 2})]


def test_a_character_cut_in_two_by_an_event_is_joined():
    assert decoded(events(begin(), *text("a\ud83d", "\ude00b"), *finish())).message().text == "a😀b"


def test_half_a_character_never_leaves():
    assert decoded(events(begin(), *text("a\ud83d"), *finish())).message().text == "a\ufffd"


def test_events_that_are_not_known_are_passed_over():
    odd = {"type": "content_block_delta", "index": 0, "delta": {"type": "hologram_delta", "light": 1}}
    opened, *rest = text("x")
    assert decoded(events(begin(), {"type": "later_idea"}, opened, odd, *rest, *finish())).message().text == "x"


def test_running_totals_of_usage_overwrite_and_missing_ones_stay():
    done = decoded(events(begin(input_tokens=9, output_tokens=1), *text("x"), *finish(output_tokens=7))).done
    assert done.usage == Usage(9, 7)


def test_without_any_usage_there_is_none():
    assert decoded(events(begin(), *text("x"), *finish())).done.usage is None


def test_a_stop_reason_without_message_stop_is_complete():
    delta, _ = finish("end_turn")
    assert decoded(events(begin(), *text("x"), delta)).message().finish == "stop"


@pytest.mark.parametrize("count", range(1, 5))
def test_without_a_terminator_a_reply_is_incomplete(count):
    decoder = AnthropicDecoder(ErrorContext("anthropic"))
    list(decoder.feed(events(*[begin(), *text("Hello")][:count])))
    with pytest.raises(IncompleteReply):
        list(decoder.end())


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, ServerFailed),
        ({"type": "api_error", "message": "Internal server error"}, ServerFailed),
        ({"type": "rate_limit_error", "message": "slow down"}, RateLimited),
        ({"type": "authentication_error", "message": "invalid x-api-key"}, KeyRefused),
        ({"type": "invalid_request_error", "message": "prompt is too long: 9 tokens > 8 maximum"}, PromptTooLong),
        ({"type": "invalid_request_error", "message": "messages.1: Invalid `signature`"}, Rejected),
    ],
)
def test_an_error_inside_the_stream_keeps_what_came_before(error, kind):
    decoder = AnthropicDecoder(ErrorContext("anthropic"))
    stream = decoder.feed(events(begin(), *text("Hel")[:2], {"type": "error", "error": error}))
    assert next(stream).text == "Hel"
    with pytest.raises(kind) as caught:
        next(stream)
    assert error["message"] in caught.value.why


def test_a_piece_of_a_block_that_was_never_begun_breaks_the_protocol():
    delta = {"type": "content_block_delta", "index": 3, "delta": {"type": "text_delta", "text": "x"}}
    with pytest.raises(ProtocolBroken):
        list(AnthropicDecoder().feed(events(begin(), delta)))


# What is sent.


def test_the_smallest_request():
    assert sent(Message.user("Hi")) == {
        "model": SONNET,
        "max_tokens": 8192,
        "stream": True,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    }


def test_system_messages_stand_in_the_one_place_for_them():
    said = sent(Message.system("Be kind."), Message.user("Hi"), system="Be brief.")
    assert said["system"] == "Be brief.\n\nBe kind."
    assert [message["role"] for message in said["messages"]] == ["user"]


@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_a_blank_system_prompt_is_left_out(blank):
    assert "system" not in sent(Message.user("Hi"), system=blank)


def test_all_results_of_a_reply_stand_in_one_message_before_the_users_next_words():
    asked = Message.assistant(calls=[ToolCall("a", "f", {}), ToolCall("b", "g", {"x": 1})], finish="tool_calls")
    results = Message.tool([ToolResult("a", "f", {"n": 1}), ToolResult("b", "g", "no", failed=True)])
    said = sent(Message.user("Go"), asked, results, Message.user("And?"))
    assert [message["role"] for message in said["messages"]] == ["user", "assistant", "user"]
    first, second, words = said["messages"][2]["content"]
    assert first == {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": '{"n":1}'}]}
    assert (second["content"], second["is_error"]) == ([{"type": "text", "text": "no"}], True)
    assert words == {"type": "text", "text": "And?"}


def test_a_result_of_nothing_and_one_with_an_image():
    image = Attachment("image/png", b"png", "a.png")
    asked = Message.assistant(calls=[ToolCall("a", "f", {}), ToolCall("b", "g", {})])
    results = Message.tool([ToolResult("a", "f", ""), ToolResult("b", "g", "seen", files=(image,))])
    empty, seen = sent(Message.user("Go"), asked, results)["messages"][2]["content"]
    assert "content" not in empty
    source = {"type": "base64", "media_type": "image/png", "data": "cG5n"}
    assert seen["content"] == [{"type": "text", "text": "seen"}, {"type": "image", "source": source}]


def test_arguments_that_were_no_json_are_sent_as_an_object_that_shows_them():
    broken = Exchange.of(Message.assistant(calls=[ToolCall("a", "f", None, '{"x', "cut")], finish="length"))
    said = sent(Message.user("Go"), *broken.messages)
    assert said["messages"][1]["content"][0]["input"] == {"INVALID_JSON": '{"x'}


def test_a_reply_that_broke_off_is_sent_as_the_text_it_came_to():
    cut = Exchange.of(Message.assistant("Half an", calls=[ToolCall("a", "f", None, "{")], finish="incomplete"))
    said = sent(Message.user("Go"), *cut.messages, Message.user("Go on"))
    assert [part["type"] for message in said["messages"] for part in message["content"]] == ["text", "text", "text"]


def test_blank_texts_are_never_sent():
    said = sent(Message.user("Go"), Message.assistant(" \n"), Message.user("Well?"))
    assert said["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Go"}, {"type": "text", "text": "Well?"}]}
    ]


def test_ids_and_names_of_other_servers_become_ones_that_are_taken_and_stay_pairs():
    call, result = ToolCall("functions.get:0", "no such/tool", {}), ToolResult("functions.get:0", "no such/tool", "?")
    said = sent(Message.user("Go"), Message.assistant(calls=[call]), Message.tool([result]))
    asked, answered = said["messages"][1]["content"][0], said["messages"][2]["content"][0]
    assert asked["id"] == answered["tool_use_id"]
    assert asked["id"].replace("_", "").isalnum() and asked["name"].replace("_", "").isalnum()


def test_files_stand_before_the_words():
    files = [Attachment("image/png", b"png"), Attachment("application/pdf", b"pdf")]
    content = sent(Message.user("What is this?", files))["messages"][0]["content"]
    assert [part["type"] for part in content] == ["image", "document", "text"]


def test_tools_and_the_choice_among_them():
    tool = ToolSpec(
        "f",
        "Does f.",
        {"type": "object", "properties": {"x": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "integer"}}},
    )
    said = sent(Message.user("Go"), tools=(tool,))
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}}
    assert said["tools"] == [{"name": "f", "description": "Does f.", "input_schema": schema}]
    choices = {
        "auto": {"type": "auto"},
        "none": {"type": "none"},
        "required": {"type": "any"},
        "f": {"type": "tool", "name": "f"},
    }
    for choice, wanted in choices.items():
        assert sent(Message.user("Go"), tools=(tool,), tool_choice=choice)["tool_choice"] == wanted
    one = sent(Message.user("Go"), tools=(tool,), options={"parallel_calls": False})
    assert one["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}


def test_options_in_the_servers_words_and_extra_as_it_stands():
    options = {"max_tokens": 5, "temperature": 0, "stop": "END", "seed": 1, "extra": {"metadata": {"user_id": "u"}}}
    said = sent(Message.user("Hi"), options=options)
    assert said["max_tokens"] == 5 and said["temperature"] == 0 and said["stop_sequences"] == ["END"]
    assert said["metadata"] == {"user_id": "u"}
    assert "seed" not in said


@pytest.mark.parametrize(
    ("model", "wish", "wanted"),
    [
        (SONNET, False, {"thinking": {"type": "disabled"}}),
        (SONNET, "low", {"thinking": {"type": "enabled", "budget_tokens": 2048}, "max_tokens": 8192 + 2048}),
        (OPUS, True, {"thinking": {"type": "adaptive"}}),
        (OPUS, "minimal", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
    ],
)
def test_how_hard_to_think(model, wish, wanted):
    said = sent(Message.user("Hi"), model=model, options={"thinking": wish})
    assert wanted.items() <= said.items()


def test_a_schema_is_closed_and_a_thinking_effort_stands_beside_it():
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}
    said = sent(Message.user("Hi"), model=OPUS, schema=schema, options={"thinking": "high"})
    closed = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    assert said["output_config"] == {"format": {"type": "json_schema", "schema": closed}, "effort": "high"}


def test_a_schema_that_leaves_members_open_is_asked_for_in_words():
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    said = sent(Message.user("Hi"), schema=schema, system="Count.")
    assert "output_config" not in said
    assert said["system"].startswith("Count.\n\n") and json.dumps(schema, separators=(",", ":")) in said["system"]


# The gateway.


@pytest.mark.parametrize(
    ("model", "sampling", "structured"),
    [
        ("claude-3-5-haiku-latest", True, False),
        ("claude-opus-4-20250514", True, False),
        ("claude-sonnet-4-0", True, False),
        (SONNET, True, True),
        ("claude-haiku-4.5", True, True),
        (OPUS, False, True),
        ("claude-opus-5", False, True),
    ],
)
def test_capabilities_by_the_models_name(model, sampling, structured):
    capabilities = Anthropic().capabilities(model)
    assert (capabilities.sampling, capabilities.structured) == (sampling, structured)
    assert capabilities.window == 200_000


@pytest.mark.parametrize(
    "given", [{"headers": {"Anthropic-Version": "2026-10-21"}}, {"quirks": {"version": "2026-10-21"}}]
)
def test_the_newer_version_of_the_api_takes_no_sampling_options(given):
    assert not Anthropic(**given).capabilities(SONNET).sampling
    assert Anthropic(url="http://127.0.0.1:1").capabilities("anything").sampling


def test_the_users_own_version_is_the_one_that_is_sent(fault_server):
    fault_server.answers(fault_server.head(), events(begin(), *text("x"), *finish()))
    gateway = Anthropic(url=fault_server.url, key="secret-key", headers={"Anthropic-Version": "2026-10-21"})
    list(gateway.stream(Request(SONNET, (Message.user("Hi"),))))
    gateway.close()
    assert fault_server.asked[0].headers["anthropic-version"] == "2026-10-21"


def test_a_key_that_is_missing_is_named():
    with pytest.raises(KeyRefused, match="ANTHROPIC_API_KEY"):
        list(Anthropic().stream(Request(SONNET, (Message.user("Hi"),))))


def test_a_quirk_that_there_is_not_is_refused():
    with pytest.raises(UsageError, match="unknown quirk 'versoin'"):
        Anthropic(quirks={"versoin": "x"})


def ask(server, model: str = SONNET, path: str = "", **given: Any) -> Assembly:
    gateway = Anthropic(url=server.url + path, key="secret-key")
    try:
        return assembled(gateway.stream(Request(model, (Message.user("Hi"),), **given)))
    finally:
        gateway.close()


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
def test_a_stream_over_the_wire(fault_server, path):
    fault_server.answers(fault_server.head(), events(*THOUGHT))
    assert ask(fault_server, path=path).message().text == "Looking it up."
    asked = fault_server.asked[0]
    assert asked.path == "/v1/messages"
    assert asked.headers["x-api-key"] == "secret-key" and "authorization" not in asked.headers
    assert asked.headers["anthropic-version"] == "2023-06-01"


def test_a_whole_reply_over_the_wire_is_what_the_stream_would_be(fault_server):
    content = [
        {"type": "thinking", "thinking": "let me see", "signature": "c2lnbmVk=="},
        {"type": "text", "text": "Looking it up."},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}},
    ]
    usage = {"input_tokens": 10, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 2, "output_tokens": 20}
    reply = {"type": "message", "model": "claude-sonnet-4-5-20250929", "content": content, "stop_reason": "tool_use"}
    fault_server.answers(fault_server.whole(reply | {"usage": usage}))
    whole, streamed = ask(fault_server, stream=False), decoded(events(*THOUGHT))
    assert json.loads(fault_server.asked[0].body)["stream"] is False
    assert whole.message() == streamed.message()
    assert whole.done == streamed.done
    assert whole.done.opaque == streamed.done.opaque


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (404, {"type": "not_found_error", "message": "model: claude-nope"}, ModelMissing),
        (429, {"type": "rate_limit_error", "message": "slow"}, RateLimited),
        (529, {"type": "overloaded_error", "message": "Overloaded"}, ServerFailed),
        (400, {"type": "invalid_request_error", "message": "temperature: not accepted"}, Rejected),
    ],
)
def test_a_bad_status_over_the_wire(fault_server, status, error, kind):
    fault_server.answers(fault_server.whole({"type": "error", "error": error}, status))
    with pytest.raises(kind) as caught:
        ask(fault_server)
    assert error["message"] in caught.value.why


def test_a_stream_of_another_dialect_is_no_reply(fault_server):
    other = {"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]}
    fault_server.answers(fault_server.head(), fault_server.sse(other, b"[DONE]"))
    with pytest.raises(ProtocolBroken, match="does not answer as a model server does"):
        ask(fault_server)


def test_a_good_status_over_something_else(fault_server):
    fault_server.answers(fault_server.whole({"hello": "world"}))
    with pytest.raises(ProtocolBroken, match="does not answer as a model server does"):
        ask(fault_server)


def test_thinking_survives_a_round_of_tools_in_a_session(fault_server):
    def weather(city: str) -> str:
        """The weather of a city."""
        return f"rain in {city}"

    fault_server.answers(fault_server.chunked(events(*THOUGHT)))
    fault_server.answers(fault_server.chunked(events(begin(), *text("It rains."), *finish())))
    gateway = Anthropic(url=fault_server.url, key="secret-key")
    session = ChatSession(Broker(SONNET, gateway), system_prompt="Be brief.", tools=[weather])
    try:
        assert session.send_message("Weather in Paris?") == "It rains."
    finally:
        gateway.close()
    _, thought, answered = fault_server.asked[1].json["messages"]
    assert thought["content"][0] == {"type": "thinking", "thinking": "let me see", "signature": "c2lnbmVk=="}
    assert answered["content"][0]["content"] == [{"type": "text", "text": "rain in Paris"}]


def marked(value: Any, path: str = "") -> list[str]:
    """Where `cache_control` stands in a request's body."""
    if isinstance(value, dict):
        inner = [
            place for key, item in value.items() if key != "cache_control" for place in marked(item, f"{path}/{key}")
        ]
        return inner + ([path] if "cache_control" in value else [])
    return (
        [place for n, item in enumerate(value) for place in marked(item, f"{path}/{n}")]
        if isinstance(value, list)
        else []
    )


def conversation(rounds: int, calls: int = 1) -> tuple[Message, ...]:
    messages = [Message.user("go")]
    for n in range(rounds):
        made = [ToolCall(f"c{n}_{m}", "look", {}, "{}") for m in range(calls)]
        messages += [Message.assistant("", made), Message.tool([ToolResult(each.id, "look", "seen") for each in made])]
    return tuple(messages)


@pytest.mark.parametrize("calls", [1, 30])
def test_the_prompts_beginning_is_marked_for_the_cache_at_no_more_than_four_places(calls: int) -> None:
    tools = (ToolSpec("look", "Look.", {"type": "object", "properties": {}}),) * 2
    cache = MessageCache(_blocks)
    for rounds in range(4):
        request = Request("claude-opus-4-8", conversation(rounds, calls), system="Be kind.", tools=tools)
        plain, body = (json.loads(encode(request, cache, cache=on)) for on in (False, True))
        newest = [n for n, message in enumerate(body["messages"]) if message["role"] == "user"][-2:]
        ends = [f"/messages/{n}/content/{len(body['messages'][n]['content']) - 1}" for n in newest]
        assert sorted(marked(body)) == sorted(["/system/0", "/tools/1", *ends])
        assert marked(plain) == []
    assert body["messages"][0]["content"][0]["text"] == "go"


@pytest.mark.parametrize(
    ("gateway", "cache", "asked"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"url": "https://proxy.example/anthropic"}, True, False),
        ({"url": "https://proxy.example/anthropic", "quirks": {"cache": True}}, True, True),
        ({"quirks": {"cache": False}}, True, False),
        ({"name": "mine", "url": "https://api.anthropic.com"}, True, False),
    ],
)
def test_only_a_server_that_is_known_to_cache_is_asked_to(gateway: dict[str, Any], cache: bool, asked: bool) -> None:
    assert (Anthropic(key="k", **gateway).caches and cache) is asked
