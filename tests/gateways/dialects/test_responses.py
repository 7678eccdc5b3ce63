"""The Responses dialect: what is sent, and what is made of what comes back, by OpenAI and by its imitators."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from decoding import assembled
from runner.core.chunks import Assembly
from runner.core.errors import IncompleteReply, KeyRefused, ProtocolBroken, RateLimited, ServerFailed
from runner.core.history import Exchange
from runner.core.messages import Attachment, Message, Opaque, ToolCall, ToolResult, ToolSpec, Usage
from runner.gateways import Request
from runner.gateways.dialects.responses import Responses, ResponsesDecoder, encode
from runner.gateways.http.error_context import ErrorContext

MODEL = "gpt-5.5"


def sent(*messages: Message, model: str = MODEL, reasons: bool = False, **given: Any) -> dict[str, Any]:
    """The body of a request, as the server reads it."""
    return json.loads(encode(Request(model, messages, **given), is_reasoning=reasons))


def events(*said: dict[str, Any], kind: str = "response.") -> bytes:
    return b"".join(b"data: " + json.dumps(each | {"type": kind + each["type"]}).encode() + b"\n\n" for each in said)


def item(place: int, whole: dict[str, Any], *pieces: dict[str, Any], placed: bool = True) -> list[dict[str, Any]]:
    """An item's events: begun, in pieces, done; imitators tell ids alone, no places."""
    at = {"output_index": place} if placed else {}
    begun = whole | {key: value[:0] for key, value in whole.items() if key in ("content", "arguments", "summary")}
    return [
        {"type": "output_item.added", "item": begun, **at},
        *(piece | at | {"item_id": whole["id"]} for piece in pieces),
        {"type": "output_item.done", "item": whole, **at},
    ]


def text_item(place: int, *pieces: str, placed: bool = True, **more: Any) -> list[dict[str, Any]]:
    content = [{"type": "output_text", "text": "".join(pieces), "annotations": []}]
    whole = {"id": f"msg_{place}", "type": "message", "role": "assistant", "status": "completed", "content": content}
    return item(place, whole | more, *({"type": "output_text.delta", "delta": each} for each in pieces), placed=placed)


def call_item(place: int, name: str, *pieces: str, placed: bool = True) -> list[dict[str, Any]]:
    whole = {"id": f"fc_{place}", "type": "function_call", "call_id": f"call_{place}", "name": name}
    deltas = ({"type": "function_call_arguments.delta", "delta": each} for each in pieces)
    return item(place, whole | {"arguments": "".join(pieces)}, *deltas, placed=placed)


def thought_item(place: int, *pieces: str) -> list[dict[str, Any]]:
    whole = {"id": f"rs_{place}", "type": "reasoning", "encrypted_content": "gAAA=", "status": None}
    summary = [{"type": "summary_text", "text": "".join(pieces)}] if pieces else []
    deltas = ({"type": "reasoning_summary_text.delta", "summary_index": 0, "delta": each} for each in pieces)
    return item(place, whole | {"summary": summary}, *deltas)


def finish(items: Iterable[dict[str, Any]] = (), status: str = "completed", **more: Any) -> dict[str, Any]:
    usage = {
        "input_tokens": 11,
        "input_tokens_details": {"cached_tokens": 3},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 2},
    }
    output = [each["item"] for each in items if each["type"] == "output_item.done"]
    response = {"status": status, "model": "gpt-5.5-2026", "usage": usage, "output": output}
    return {"type": status, "response": response | more}


def decoded(data: bytes, model: str = MODEL) -> Assembly:
    decoder = ResponsesDecoder(ErrorContext("responses", "https://x", model))
    return assembled([*decoder.feed(data), *decoder.end()])


def said_before(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


ITEMS = [
    *thought_item(0, "let me ", "see"),
    *text_item(1, "Looking", " it up."),
    *call_item(2, "weather", '{"city":', '"Paris"}'),
    *call_item(3, "clock"),
]
CALLS = (
    ToolCall("call_2", "weather", {"city": "Paris"}, '{"city":"Paris"}'),
    ToolCall("call_3", "clock", {}, ""),
)


# What comes back.


def test_a_reply_with_thoughts_text_and_calls():
    reply = decoded(events({"type": "created"}, *ITEMS, finish(ITEMS)))
    message = reply.message()
    assert (message.text, message.thinking, message.calls) == ("Looking it up.", "let me see", CALLS)
    assert message.finish == "tool_calls"
    assert reply.done.usage == Usage(11, 7, 3, 2)
    assert reply.done.model == "gpt-5.5-2026"


def test_a_whole_reply_is_what_the_stream_would_be():
    streamed = decoded(events(*ITEMS, finish(ITEMS)))
    decoder = ResponsesDecoder(ErrorContext("responses", "https://x", MODEL))
    whole = assembled(decoder.decode_document(json.dumps(finish(ITEMS)["response"]).encode()))
    assert whole.message() == streamed.message()
    assert whole.done == streamed.done


def test_reasoning_goes_back_as_it_came_to_the_model_that_reasoned():
    reply = decoded(events(*ITEMS, finish(ITEMS))).message()
    results = Message.tool([ToolResult("call_2", "weather", "rain"), ToolResult("call_3", "clock", 12)])
    said = sent(Message.user("Weather?"), reply, results)["input"]
    thought = {"id": "rs_0", "type": "reasoning", "encrypted_content": "gAAA="}
    assert said[1] == thought | {"summary": [{"type": "summary_text", "text": "let me see"}]}
    assert [each.get("type") for each in said[1:]] == [
        "reasoning",
        "message",
        "function_call",
        "function_call",
        "function_call_output",
        "function_call_output",
    ]
    other = sent(Message.user("Weather?"), reply, results, model="gpt-4o")["input"]
    assert other[1:4] == [
        said_before("Looking it up."),
        {"type": "function_call", "call_id": "call_2", "name": "weather", "arguments": '{"city":"Paris"}'},
        {"type": "function_call", "call_id": "call_3", "name": "clock", "arguments": "{}"},
    ]


def test_kept_items_are_left_out_when_the_calls_are_no_longer_theirs():
    kept = Opaque("responses", MODEL, [{"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}])
    reply = Message("assistant", calls=(ToolCall("b", "f", {}, "{}"),), finish="tool_calls", opaque=kept)
    said = sent(Message.user("x"), reply, Message.tool([ToolResult("b", "f", "1")]))
    assert [each.get("call_id") for each in said["input"]] == [None, "b", "b"]


def test_nothing_is_kept_where_text_and_calls_say_it_all():
    plain = [*text_item(0, "Hi"), *call_item(1, "f", "{}")]
    assert decoded(events(*plain, finish(plain))).done.opaque is None


def test_thoughts_that_are_not_encrypted_cannot_go_back():
    items = [*thought_item(0, "hm"), *text_item(1, "Hi")]
    items[2]["item"] = {"id": "rs_0", "type": "reasoning", "summary": []}
    assert items[2]["type"] == "output_item.done"
    assert decoded(events(*items, finish())).done.opaque is None


def test_the_phase_of_a_message_is_kept():
    said = text_item(0, "Hi", phase="commentary")
    assert decoded(events(*said, finish(said))).done.opaque.content[0]["phase"] == "commentary"


@pytest.mark.parametrize(("reason", "known"), [("max_output_tokens", "length"), ("content_filter", "content_filter")])
def test_an_incomplete_response_says_why_and_its_thoughts_are_not_kept(reason, known):
    items = [*thought_item(0), *text_item(1, "Hal")]
    reply = decoded(events(*items, finish(items, "incomplete", incomplete_details={"reason": reason})))
    assert (reply.done.finish, reply.done.raw_finish, reply.done.opaque) == (known, reason, None)
    assert reply.message().text == "Hal"


def test_arguments_cut_by_the_limit_are_not_taken_for_arguments():
    items = call_item(0, "f", '{"path": "/a')
    message = decoded(
        events(*items, finish(items, "incomplete", incomplete_details={"reason": "max_output_tokens"}))
    ).message()
    assert (message.finish, message.calls[0].arguments, message.calls[0].raw) == ("length", None, '{"path": "/a')


def test_imitators_tell_ids_and_no_places():
    items = [*text_item(0, "One", placed=False), *call_item(1, "f", '{"a":', "1}", placed=False)]
    message = decoded(events(*items, finish(items))).message()
    assert message.text == "One"
    assert message.calls == (ToolCall("call_1", "f", {"a": 1}, '{"a":1}'),)


def test_what_was_not_streamed_is_taken_from_the_whole_items():
    items = [*thought_item(0, "hm"), *text_item(1, "One"), *call_item(2, "f", '{"a":1}')]
    done_alone = [each for each in items if each["type"] == "output_item.done"]
    wanted = decoded(events(*items, finish(items))).message()
    assert decoded(events(*done_alone, finish(items))).message() == wanted
    assert decoded(events(finish(items))).message() == wanted


def test_arguments_that_come_at_their_end_alone():
    begun, done = call_item(0, "f")
    late = {"type": "function_call_arguments.done", "output_index": 0, "item_id": "fc_0", "arguments": '{"a":1}'}
    assert decoded(events(begun, late, done, finish())).message().calls[0].arguments == {"a": 1}


def test_two_calls_that_arrive_interleaved():
    first, second = call_item(0, "f", '{"x":1}'), call_item(1, "g", '{"y":2}')
    mixed = [first[0], second[0], second[1], first[1], second[2], first[2]]
    calls = decoded(events(*mixed, finish())).message().calls
    assert [(each.id, each.name, each.arguments) for each in calls] == [
        ("call_0", "f", {"x": 1}),
        ("call_1", "g", {"y": 2}),
    ]


def test_a_refusal_is_text_and_a_filtered_finish():
    content = [{"type": "refusal", "refusal": "I will not."}]
    whole = {"id": "m", "type": "message", "role": "assistant", "content": content}
    items = item(0, whole, {"type": "refusal.delta", "delta": "I will not."})
    for said in (events(*items, finish(items)), events(finish(items))):
        message = decoded(said).message()
        assert (message.text, message.finish) == ("I will not.", "content_filter")


def test_parts_of_a_summary_stand_apart():
    parts = [{"type": "reasoning_summary_part.added", "summary_index": index, "output_index": 0} for index in (0, 1)]
    texts = [{"type": "reasoning_summary_text.delta", "delta": each, "output_index": 0} for each in ("One.", "Two.")]
    said = events(parts[0], texts[0], parts[1], texts[1], finish())
    assert decoded(said).message().thinking == "One.\n\nTwo."


def test_a_character_cut_in_two_by_an_event_is_joined():
    assert decoded(events(*text_item(0, "a\ud83d", "\ude00b"), finish())).message().text == "a😀b"


@pytest.mark.parametrize("count", range(1, 5))
def test_without_a_terminator_a_reply_is_incomplete(count):
    decoder = ResponsesDecoder(ErrorContext("responses"))
    list(decoder.feed(events(*[{"type": "created"}, *text_item(0, "Hel", "lo")][:count])))
    with pytest.raises(IncompleteReply):
        list(decoder.end())


@pytest.mark.parametrize(
    ("said", "kind", "why"),
    [
        (events({"type": "error", "code": "rate_limit_exceeded", "message": "slow"}, kind=""), RateLimited, "slow"),
        (events({"type": "error", "error": {"code": "server_error", "message": "oh"}}, kind=""), ServerFailed, "oh"),
        (events(finish(status="failed", error={"code": "server_error", "message": "boom"})), ServerFailed, "boom"),
        (events(finish(status="cancelled")), ServerFailed, "cancelled"),
    ],
)
def test_an_error_inside_the_stream_keeps_what_came_before(said, kind, why):
    stream = ResponsesDecoder(ErrorContext("responses")).feed(events(*text_item(0, "Hel")[:2]) + said)
    assert next(stream).text == "Hel"
    with pytest.raises(kind) as caught:
        next(stream)
    assert why in caught.value.why


# What is sent.


def test_the_smallest_request():
    assert sent(Message.user("Hi"), model="gpt-4o") == {
        "model": "gpt-4o",
        "store": False,
        "stream": True,
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
    }


def test_system_messages_stand_in_the_instructions():
    said = sent(Message.system("Be kind."), Message.user("Hi"), system="Be brief.")
    assert said["instructions"] == "Be brief.\n\nBe kind."
    assert len(said["input"]) == 1


def test_files_follow_the_words():
    files = [Attachment("image/png", b"png"), Attachment("application/pdf", b"pdf", "a.pdf")]
    _, image, file = sent(Message.user("See", files))["input"][0]["content"]
    assert image == {"type": "input_image", "image_url": "data:image/png;base64,cG5n"}
    assert file == {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,cGRm"}


def test_results_are_text_and_failures_say_so():
    image = Attachment("image/png", b"png")
    asked = Message.assistant(calls=[ToolCall(each, "f", {}, "{}") for each in "abc"], finish="tool_calls")
    results = [
        ToolResult("a", "f", {"n": 1}),
        ToolResult("b", "f", "no", failed=True),
        ToolResult("c", "f", "seen", files=(image,)),
    ]
    first, second, third = sent(Message.user("Go"), asked, Message.tool(results))["input"][-3:]
    assert first == {"type": "function_call_output", "call_id": "a", "output": '{"n":1}'}
    assert second["output"] == "error: no"
    assert [part["type"] for part in third["output"]] == ["input_text", "input_image"]


def test_a_reply_that_broke_off_is_sent_as_the_text_it_came_to():
    cut = Exchange.of(Message.assistant("Half", calls=[ToolCall("a", "f", None, "{")], finish="cancelled"))
    said = sent(Message.user("Go"), *cut.messages, Message.user("Go on"))["input"]
    assert said[1] == said_before("Half")
    assert [each["role"] for each in said] == ["user", "assistant", "user"]


def test_ids_too_long_for_the_server_become_shorter_ones_that_stay_pairs():
    long = "call_" + "x" * 100
    asked = Message.assistant(calls=[ToolCall(long, "f", {}, "{}")])
    said = sent(Message.user("Go"), asked, Message.tool([ToolResult(long, "f", "1")]))["input"]
    assert said[1]["call_id"] == said[2]["call_id"] and len(said[1]["call_id"]) <= 64


def test_tools_and_the_choice_among_them():
    tool = ToolSpec("f", "Does f.", {"type": "object", "properties": {}})
    said = sent(Message.user("Go"), tools=(tool,))
    schema = {"type": "object", "properties": {}}
    assert said["tools"] == [
        {"type": "function", "name": "f", "description": "Does f.", "parameters": schema, "strict": False}
    ]
    assert "tool_choice" not in said
    for choice, wanted in {"none": "none", "required": "required", "f": {"type": "function", "name": "f"}}.items():
        assert sent(Message.user("Go"), tools=(tool,), tool_choice=choice)["tool_choice"] == wanted


def test_options_in_the_servers_words_and_extra_as_it_stands():
    options = {"max_tokens": 5, "top_p": 0.5, "stop": "END", "parallel_calls": False, "extra": {"truncation": "auto"}}
    said = sent(Message.user("Hi"), options=options)
    assert said["max_output_tokens"] == 5 and said["top_p"] == 0.5 and said["truncation"] == "auto"
    assert said["parallel_tool_calls"] is False
    assert "stop" not in said


@pytest.mark.parametrize(
    ("wish", "wanted"),
    [(True, None), (False, {"effort": "none"}), ("high", {"effort": "high"}), ("none", {"effort": "none"})],
)
def test_how_hard_to_think(wish, wanted):
    assert sent(Message.user("Hi"), options={"thinking": wish}).get("reasoning") == wanted


@pytest.mark.parametrize("closed", [True, False])
def test_a_schema_is_strict_only_where_it_closes_everything(closed):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    if closed:
        schema["additionalProperties"] = False
    form = sent(Message.user("Hi"), schema=schema)["text"]["format"]
    assert form == {"type": "json_schema", "name": "reply", "schema": schema, "strict": closed}


# The gateway.


@pytest.mark.parametrize(
    ("model", "quirks", "reasons"),
    [
        ("o3", {}, True),
        ("gpt-5.5", {}, True),
        ("gpt-4o", {}, False),
        ("gpt-5-chat-latest", {}, False),
        ("mine", {}, False),
        ("mine-1", {"reasoning": ["mine"]}, True),
    ],
)
def test_reasoning_models_take_no_sampling_and_give_their_thoughts(fault_server, model, quirks, reasons):
    fault_server.answers(fault_server.head(), events(*text_item(0, "x"), finish()))
    gateway = Responses(url=fault_server.url + "/v1", key="secret-key", quirks=quirks)
    assert gateway.capabilities(model).sampling is not reasons
    list(gateway.stream(Request(model, (Message.user("Hi"),))))
    gateway.close()
    assert ("include" in fault_server.asked[0].json) is reasons
    assert fault_server.asked[0].path == "/v1/responses"
    assert fault_server.asked[0].headers["authorization"] == "Bearer secret-key"


@pytest.mark.parametrize(
    ("model", "window"), [("gpt-4o-mini", 128_000), ("gpt-4", 8_192), ("gpt-5.5", 400_000), ("x", None)]
)
def test_the_window_is_that_of_the_longest_name(model, window):
    assert Responses().capabilities(model).window == window


def test_a_key_that_is_missing_is_named():
    with pytest.raises(KeyRefused, match="OPENAI_API_KEY"):
        list(Responses().stream(Request(MODEL, (Message.user("Hi"),))))


def ask(server, **given: Any) -> Assembly:
    gateway = Responses(url=server.url, key="secret-key")
    try:
        return assembled(gateway.stream(Request(MODEL, (Message.user("Hi"),), **given)))
    finally:
        gateway.close()


def test_a_whole_reply_over_the_wire(fault_server):
    fault_server.answers(fault_server.whole(finish(ITEMS)["response"]))
    assert ask(fault_server, stream=False).message().calls == CALLS
    assert fault_server.asked[0].json["stream"] is False


def test_a_failed_whole_reply(fault_server):
    fault_server.answers(
        fault_server.whole(finish(status="failed", error={"code": "server_error", "message": "boom"})["response"])
    )
    with pytest.raises(ServerFailed, match="boom"):
        ask(fault_server, stream=False)


@pytest.mark.parametrize("body", [{"hello": "world"}, {"object": "chat.completion", "choices": []}, []])
def test_a_good_status_over_something_else(fault_server, body):
    fault_server.answers(fault_server.whole(body))
    with pytest.raises(ProtocolBroken):
        ask(fault_server)


def test_a_stream_of_another_dialect_is_no_reply(fault_server):
    other = {"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]}
    fault_server.answers(fault_server.head(), fault_server.sse(other, b"[DONE]"))
    with pytest.raises(ProtocolBroken, match="does not answer as a model server does"):
        ask(fault_server)
