"""The generateContent dialect: what is sent, and what is made of what comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from decoding import assembled
from runner.core.chunks import Assembly
from runner.core.errors import (
    ContentFiltered,
    IncompleteReply,
    KeyRefused,
    ModelFailed,
    ModelMissing,
    ProtocolBroken,
    RateLimited,
    ServerFailed,
)
from runner.core.history import Exchange
from runner.core.messages import Attachment, Message, ToolCall, ToolResult, ToolSpec, Usage
from runner.gateways import Request
from runner.gateways.dialects.gemini import UNSIGNED, Gemini, GeminiDecoder, encode
from runner.gateways.http.error_context import ErrorContext

OLDER = "gemini-2.5-flash"
NEWER = "gemini-3-pro-preview"
TOOL = ToolSpec("f", "Does f.", {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]})


def sent(*messages: Message, model: str = OLDER, **given: Any) -> dict[str, Any]:
    """The body of a request, as the server reads it."""
    return json.loads(encode(Request(model, messages, **given)))


def event(*parts: dict[str, Any], finish: str = "", **more: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate | more], "modelVersion": "gemini-3-pro-001"}


def events(*said: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + json.dumps(each).encode() + b"\r\n\r\n" for each in said)


def text(piece: str, **more: Any) -> dict[str, Any]:
    return {"text": piece, **more}


def call(name: str, args: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    function: dict[str, Any] = {"name": name} if args is None else {"name": name, "args": args}
    return {"functionCall": function, **more}


def decoded(data: bytes, model: str = NEWER) -> Assembly:
    decoder = GeminiDecoder(ErrorContext("gemini", "https://x", model))
    return assembled([*decoder.feed(data), *decoder.end()])


SIGNED = [
    event(text("I should look. ", thought=True)),
    event(text("Look")),
    event(text("ing.")),
    event(call("f", {"x": 1}, thoughtSignature="c2ln"), call("f", {"x": 2})),
    event(text("", thoughtSignature="ZW5k"), finish="STOP")
    | {"usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 4, "thoughtsTokenCount": 3}},
]


# What comes back.


def test_a_reply_with_thoughts_text_and_calls():
    reply = decoded(events(*SIGNED))
    message = reply.message()
    assert (message.text, message.thinking) == ("Looking.", "I should look. ")
    assert [(each.name, each.arguments) for each in message.calls] == [("f", {"x": 1}), ("f", {"x": 2})]
    assert message.calls[0].id != message.calls[1].id
    assert (message.finish, reply.done.raw_finish) == ("tool_calls", "STOP")
    assert reply.done.usage == Usage(9, 7, reasoning_tokens=3)
    assert reply.done.model == "gemini-3-pro-001"


@pytest.mark.parametrize(
    "form", [json.dumps, lambda reply: json.dumps([reply]), lambda reply: json.dumps([reply, {"candidates": []}])]
)
def test_a_whole_reply_or_an_array_of_events_is_what_the_stream_would_be(form):
    parts = [part for each in SIGNED for part in each["candidates"][0]["content"]["parts"]]
    reply = event(*parts, finish="STOP") | {"usageMetadata": SIGNED[-1]["usageMetadata"]}
    whole = assembled(GeminiDecoder(ErrorContext("gemini", "https://x", NEWER)).decode_document(form(reply).encode()))
    streamed = decoded(events(*SIGNED))
    assert (whole.done, whole.done.opaque) == (streamed.done, streamed.done.opaque)
    assert "".join(whole.text) == "".join(streamed.text)


def test_signatures_go_back_part_by_part_to_the_model_that_signed():
    reply = decoded(events(*SIGNED)).message()
    first, second = reply.calls
    results = Message.tool([ToolResult(first.id, "f", "1"), ToolResult(second.id, "f", "2")])
    said = sent(Message.user("Go"), reply, results, model=NEWER)["contents"]
    assert said[1] == {
        "role": "model",
        "parts": [
            {"text": "Looking."},
            {"functionCall": {"name": "f", "args": {"x": 1}, "id": first.id}, "thoughtSignature": "c2ln"},
            {"functionCall": {"name": "f", "args": {"x": 2}, "id": second.id}},
            {"text": "", "thoughtSignature": "ZW5k"},
        ],
    }
    assert [part["functionResponse"]["id"] for part in said[2]["parts"]] == [first.id, second.id]


def test_calls_of_another_model_carry_the_stand_in_for_a_signature():
    reply = decoded(events(*SIGNED), model="gemini-3-flash").message()
    results = Message.tool([ToolResult(each.id, "f", "1") for each in reply.calls])
    parts = sent(Message.user("Go"), reply, results, model=NEWER)["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [None, UNSIGNED, None]
    older = sent(Message.user("Go"), reply, results, model=OLDER)["contents"][1]["parts"]
    assert not any("thoughtSignature" in part for part in older)


def test_nothing_is_kept_where_text_and_calls_say_it_all():
    assert decoded(events(event(text("Hi")), event(call("f", {}), finish="STOP"))).done.opaque is None


@pytest.mark.parametrize(
    ("raw", "known"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("OTHER", "stop"),
        ("SOMETHING_NEW", "stop"),
    ],
)
def test_finish_reasons(raw, known):
    done = decoded(events(event(text("x"), finish=raw))).done
    assert (done.finish, done.raw_finish) == (known, raw)


@pytest.mark.parametrize("raw", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MALFORMED_RESPONSE"])
def test_what_the_model_miswrote_is_its_failure_and_may_be_asked_again(raw):
    with pytest.raises(ModelFailed, match="print\\(f") as caught:
        decoded(events(event(finish=raw, finishMessage="Malformed function call: print(f(")))
    assert caught.value.retryable


def test_a_blocked_prompt_is_not_an_empty_answer():
    with pytest.raises(ContentFiltered, match="SAFETY"):
        decoded(events({"promptFeedback": {"blockReason": "SAFETY"}}))


@pytest.mark.parametrize(("given", "arguments"), [(None, {}), ({}, {}), ({"a": [1, "2"]}, {"a": [1, "2"]})])
def test_arguments_keep_their_types(given, arguments):
    assert decoded(events(event(call("f", given), finish="STOP"))).message().calls[0].arguments == arguments


def test_the_servers_own_ids_are_kept():
    named = {"functionCall": {"id": "srv-1", "name": "f", "args": {}}}
    assert decoded(events(event(named, finish="STOP"))).message().calls[0].id == "srv-1"


def test_a_character_cut_in_two_by_an_event_is_joined():
    assert decoded(events(event(text("a\ud83d")), event(text("\ude00b"), finish="STOP"))).message().text == "a😀b"


def test_a_reason_that_is_none_is_no_terminator():
    decoder = GeminiDecoder(ErrorContext("gemini"))
    list(decoder.feed(events(event(text("Hel"), finish="FINISH_REASON_UNSPECIFIED"))))
    with pytest.raises(IncompleteReply):
        list(decoder.end())


def test_text_after_a_finish_reason_still_counts():
    assert (
        decoded(events(event(text("One"), finish="STOP"), event(text(" two"), finish="STOP"))).message().text
        == "One two"
    )


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}, ServerFailed),
        ({"code": 429, "message": "Resource exhausted", "status": "RESOURCE_EXHAUSTED"}, RateLimited),
        ({"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}, KeyRefused),
    ],
)
def test_an_error_inside_the_stream_keeps_what_came_before(error, kind):
    stream = GeminiDecoder(ErrorContext("gemini")).feed(events(event(text("Hel")), {"error": error}))
    assert next(stream).text == "Hel"
    with pytest.raises(kind) as caught:
        next(stream)
    assert error["message"] in caught.value.why


# What is sent.


def test_the_smallest_request():
    assert sent(Message.user("Hi")) == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


def test_system_messages_stand_in_the_instruction():
    said = sent(Message.system("Be kind."), Message.user("Hi"), system="Be brief.")
    assert said["systemInstruction"] == {"parts": [{"text": "Be brief.\n\nBe kind."}]}
    assert [content["role"] for content in said["contents"]] == ["user"]


def test_all_results_of_a_reply_stand_together_with_the_users_next_words_after_them():
    image = Attachment("image/png", b"png")
    asked = Message.assistant(calls=[ToolCall("a", "f", {"x": 1}), ToolCall("b", "f", None, "{")], finish="tool_calls")
    results = Message.tool([ToolResult("a", "f", {"n": 1}, files=(image,)), ToolResult("b", "f", "no", failed=True)])
    user, model, answers = sent(Message.user("Go"), asked, results, Message.user("And?"))["contents"]
    assert (user["role"], model["role"], answers["role"]) == ("user", "model", "user")
    assert model["parts"][1]["functionCall"]["args"] == {"not_json": "{"}
    first, second, shown, words = answers["parts"]
    assert first == {"functionResponse": {"id": "a", "name": "f", "response": {"output": '{"n":1}'}}}
    assert second["functionResponse"]["response"] == {"error": "no"}
    assert shown == {"inlineData": {"mimeType": "image/png", "data": "cG5n"}}
    assert words == {"text": "And?"}


def test_a_reply_that_broke_off_is_sent_as_the_text_it_came_to():
    cut = Exchange.of(Message.assistant("Half", calls=[ToolCall("a", "f", {})], finish="incomplete"))
    said = sent(Message.user("Go"), *cut.messages, Message.user("Go on"))["contents"]
    assert [part for content in said for part in content["parts"]] == [
        {"text": "Go"},
        {"text": "Half"},
        {"text": "Go on"},
    ]


def test_tools_in_the_words_of_openapi():
    rich = {
        "type": "object",
        "properties": {
            "when": {"type": ["string", "null"], "format": "date-time", "$comment": "x"},
            "unit": {"enum": ["C", "F"]},
            "level": {"const": 3},
            "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}},
            "pair": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]},
            "any": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "either": {"oneOf": [{"type": "integer"}, {"type": "string"}]},
            "bare": {"type": "array"},
        },
        "required": ["when", "gone"],
        "additionalProperties": False,
        "$defs": {"tag": {"type": "string", "format": "uri", "maxLength": 9}},
    }
    declared = sent(Message.user("Go"), tools=(ToolSpec("f", "Does f.", rich),))["tools"][0]["functionDeclarations"][0]
    assert declared["parameters"] == {
        "type": "OBJECT",
        "required": ["when"],
        "properties": {
            "when": {"type": "STRING", "format": "date-time", "nullable": True},
            "unit": {"type": "STRING", "enum": ["C", "F"]},
            "level": {"type": "INTEGER", "description": "One of: 3."},
            "tags": {"type": "ARRAY", "items": {"type": "STRING", "maxLength": 9}},
            "pair": {"type": "ARRAY", "items": {"anyOf": [{"type": "INTEGER"}, {"type": "STRING"}]}},
            "any": {"type": "INTEGER", "nullable": True},
            "either": {"anyOf": [{"type": "INTEGER"}, {"type": "STRING"}]},
            "bare": {"type": "ARRAY", "items": {"type": "STRING"}},
        },
    }


def test_a_tool_without_parameters_declares_none():
    declared = sent(Message.user("Go"), tools=(ToolSpec("f", "Does f.", {}),))["tools"][0]["functionDeclarations"][0]
    assert declared == {"name": "f", "description": "Does f."}


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ("f", {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ],
)
def test_the_choice_among_tools(choice, wanted):
    said = sent(Message.user("Go"), tools=(TOOL,), tool_choice=choice)
    assert said["toolConfig"] == {"functionCallingConfig": wanted}


def test_options_in_the_servers_words_and_extra_beside_them():
    extra = {"generationConfig": {"candidateCount": 1}, "safetySettings": []}
    options = {"max_tokens": 5, "stop": "END", "seed": 1, "parallel_calls": True, "extra": extra}
    said = sent(Message.user("Hi"), options=options)
    assert said["generationConfig"] == {"maxOutputTokens": 5, "stopSequences": ["END"], "seed": 1, "candidateCount": 1}
    assert said["safetySettings"] == []


@pytest.mark.parametrize(
    ("model", "wish", "wanted"),
    [
        (OLDER, True, {"includeThoughts": True}),
        (OLDER, False, {"thinkingBudget": 0}),
        (OLDER, "low", {"includeThoughts": True, "thinkingBudget": 1024}),
        (NEWER, "max", {"includeThoughts": True, "thinkingLevel": "high"}),
        (NEWER, "none", {"thinkingLevel": "low"}),
    ],
)
def test_how_hard_to_think(model, wish, wanted):
    said = sent(Message.user("Hi"), model=model, options={"thinking": wish})
    assert said["generationConfig"]["thinkingConfig"] == wanted


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


def test_a_schema_in_the_words_of_openapi():
    said = sent(Message.user("Hi"), schema=SCHEMA)
    schema = {"type": "OBJECT", "properties": {"n": {"type": "INTEGER"}}, "required": ["n"]}
    assert said["generationConfig"] == {"responseMimeType": "application/json", "responseSchema": schema}


@pytest.mark.parametrize(("model", "in_words"), [(OLDER, True), (NEWER, False)])
def test_older_models_are_told_in_words_where_there_are_tools_too(model, in_words):
    said = sent(Message.user("Hi"), model=model, schema=SCHEMA, tools=(TOOL,))
    assert ("systemInstruction" in said) is in_words
    assert ("generationConfig" in said) is not in_words


# The gateway.


def ask(server, model: str = OLDER, **given: Any) -> Assembly:
    gateway = Gemini(url=server.url + "/v1beta", key="secret-key")
    try:
        return assembled(gateway.stream(Request(model, (Message.user("Hi"),), **given)))
    finally:
        gateway.close()


def test_a_stream_over_the_wire(fault_server):
    fault_server.answers(fault_server.head(), events(*SIGNED))
    assert ask(fault_server).message().text == "Looking."
    asked = fault_server.asked[0]
    assert asked.path == "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    assert asked.headers["x-goog-api-key"] == "secret-key" and "authorization" not in asked.headers


def test_a_whole_reply_over_the_wire(fault_server):
    fault_server.answers(fault_server.whole(event(text("Hi."), finish="STOP")))
    assert ask(fault_server, "tunedModels/mine", stream=False).message().text == "Hi."
    assert fault_server.asked[0].path == "/v1beta/tunedModels/mine:generateContent"


def test_a_stream_of_another_dialect_is_no_reply(fault_server):
    other = {"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]}
    fault_server.answers(fault_server.head(), fault_server.sse(other, b"[DONE]"))
    with pytest.raises(ProtocolBroken, match="does not answer as a model server does"):
        ask(fault_server)


@pytest.mark.parametrize("body", [{"hello": "world"}, [], {}])
def test_a_good_status_over_something_else(fault_server, body):
    fault_server.answers(fault_server.whole(body))
    with pytest.raises(ProtocolBroken):
        ask(fault_server)


def test_a_model_that_there_is_not(fault_server):
    message = "models/gemini-9 is not found for API version v1beta"
    fault_server.answers(fault_server.whole({"error": {"code": 404, "message": message, "status": "NOT_FOUND"}}, 404))
    with pytest.raises(ModelMissing, match="gemini-9"):
        ask(fault_server, "gemini-9")


def test_a_key_that_is_missing_is_named():
    with pytest.raises(KeyRefused, match="GEMINI_API_KEY"):
        list(Gemini().stream(Request(OLDER, (Message.user("Hi"),))))


def test_capabilities_by_the_models_name():
    known, other = Gemini().capabilities(OLDER), Gemini().capabilities("gemma-3-27b-it")
    assert (known.structured, known.window) == (True, 1_048_576)
    assert (other.structured, other.window) == (False, None)
