"""Chat completions: what is sent, what comes back, and what servers get wrong in it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoding import assembled, so_far
from runner.core.chunks import CallChunk, Chunk, DoneChunk, TextChunk, ThinkingChunk
from runner.core.errors import (
    ContentFiltered,
    GatewayError,
    IncompleteReply,
    ModelFailed,
    OutOfQuota,
    ProtocolBroken,
    RateLimited,
    ServerFailed,
    UsageError,
)
from runner.core.messages import Attachment, Message, Opaque, ToolCall, ToolResult, ToolSpec, Usage
from runner.gateways import Request, connect
from runner.gateways.dialects.openai import OpenAI, OpenAIDecoder
from runner.gateways.http.error_context import ErrorContext
from thoroughness import examples

WIRE = Path(__file__).parents[4] / "shared" / "wire"
SPEC = ToolSpec("look", "Looks.", {"type": "object", "properties": {"at": {"type": "string"}}})


def event(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}]} | more


def piece(index: int | None = None, id: str | None = None, name: str | None = None, arguments: Any = "") -> Any:
    """A piece of a call, as a stream carries it."""
    found = {"index": index, "id": id, "function": {"name": name, "arguments": arguments}}
    return {key: value for key, value in found.items() if value is not None}


def call(*given: Any) -> dict[str, Any]:
    """The event that carries one piece of a call."""
    return event({"tool_calls": [piece(*given)]})


def sse(*payloads: Any) -> bytes:
    texts = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in payloads]
    return b"".join(b"data: " + text + b"\n\n" for text in texts)


def decode(*pieces: bytes, echo: str = "") -> list[Chunk]:
    decoder = OpenAIDecoder(ErrorContext("it", model="m"), echo)
    chunks = [chunk for piece in pieces for chunk in decoder.feed(piece)]
    return [*chunks, *decoder.end()]


RICH = sse(
    event({"role": "assistant", "content": ""}, model="m-1"),
    event({"reasoning_content": "hm \U0001f914"}),
    event({"content": "Grüße\u2028 "}),
    event({"content": "\ud83d"}),
    event({"content": "\ude00!"}),
    call(0, "c1", "look", ""),
    call(0, None, None, '{"at": "d'),
    call(0, None, None, 'oor"}'),
    call(1, "c2", "look", "{}"),
    event(finish="tool_calls"),
    {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 5}},
    b"[DONE]",
)


class TestDecoding:
    def test_a_rich_stream(self):
        chunks = decode(RICH)
        message = assembled(chunks).message()
        assert message.text == "Grüße\u2028 \U0001f600!"
        assert message.thinking == "hm \U0001f914"
        assert [(each.id, each.name, each.arguments) for each in message.calls] == [
            ("c1", "look", {"at": "door"}),
            ("c2", "look", {}),
        ]
        assert chunks[-1] == DoneChunk("tool_calls", "tool_calls", Usage(9, 5), "m-1")

    @settings(max_examples=examples(60), deadline=None)
    @given(places=st.lists(st.integers(0, len(RICH)), max_size=12))
    def test_any_split_gives_the_same_chunks(self, places):
        edges = [0, *sorted(places), len(RICH)]
        assert decode(*(RICH[start:end] for start, end in pairwise(edges))) == decode(RICH)

    def test_byte_by_byte_gives_the_same_chunks(self):
        assert decode(*(bytes([byte]) for byte in RICH)) == decode(RICH)

    def test_a_cut_at_any_byte_is_complete_with_a_terminator_or_an_error(self):
        whole = decode(RICH)
        terminator = RICH.index(b'"finish_reason": "tool_calls"')
        for place in range(len(RICH)):
            chunks, error = so_far(OpenAIDecoder(), [RICH[:place]])
            shown = chunks[:-1] if error is None else chunks
            assert shown == whole[: len(shown)]
            if error is None:
                assert place > terminator
                assert isinstance(chunks[-1], DoneChunk)
                assert chunks[-1].finish == "tool_calls"
            else:
                assert error is IncompleteReply
                assert not any(isinstance(chunk, DoneChunk) for chunk in chunks)

    def test_a_whole_reply_gives_the_same_message_as_its_stream(self):
        message = {
            "role": "assistant",
            "content": "Grüße\u2028 \U0001f600!",
            "reasoning_content": "hm \U0001f914",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "door"}'}},
                {"id": "c2", "type": "function", "function": {"name": "look", "arguments": "{}"}},
            ],
        }
        usage = {"prompt_tokens": 9, "completion_tokens": 5}
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
        whole = list(
            OpenAIDecoder().decode_document(json.dumps({"model": "m-1", "choices": [choice], "usage": usage}).encode())
        )
        streamed = decode(RICH)
        assert assembled(whole).message() == assembled(streamed).message()
        assert whole[-1] == streamed[-1]

    def test_a_line_end_of_any_kind_and_comments_between(self):
        noisy = b"\xef\xbb\xbf: hello\r\n\r\nretry: 5\r\n\r\n" + RICH.replace(b"\n", b"\r\n")
        assert decode(noisy) == decode(RICH)

    def test_bytes_that_are_no_utf_8_become_marks(self):
        sent = sse(event({"content": "a?b"}), event(finish="stop")).replace(b"a?b", b"a\xffb")
        assert decode(sent)[0] == TextChunk("a\ufffdb")

    def test_usage_with_its_details(self):
        counted = {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "prompt_tokens_details": {"cached_tokens": 80},
            "completion_tokens_details": {"reasoning_tokens": 30},
        }
        assert decode(sse(event(finish="stop", usage=counted)))[-1].usage == Usage(100, 50, 80, 30)

    def test_usage_on_the_last_piece_of_text(self):
        last = event({"content": "b"}, usage={"prompt_tokens": 3, "completion_tokens": 2})
        assert decode(sse(event({"content": "a"}, usage=None), last, event(finish="stop")))[-1].usage == Usage(3, 2)

    @pytest.mark.parametrize("usage", [None, [], "many", {"prompt_tokens": None, "completion_tokens": "5"}])
    def test_usage_that_is_none(self, usage):
        assert decode(sse(event(finish="stop", usage=usage)))[-1].usage in (None, Usage())

    def test_thinking_is_kept_to_be_echoed_where_the_server_wants_it(self):
        sent = sse(event({"reasoning_content": "a"}), event({"reasoning_content": "b"}), event(finish="stop"))
        assert decode(sent, echo="reasoning_content")[-1].opaque == Opaque("openai", "m", {"reasoning_content": "ab"})
        assert decode(sent)[-1].opaque is None

    def test_details_of_reasoning_are_woven_together_again(self):
        pieces = [
            {"type": "reasoning.text", "index": 0, "text": "Let", "signature": None},
            {"type": "reasoning.text", "index": 0, "text": " me see", "signature": None},
            {"type": "reasoning.text", "index": 0, "signature": "sig=="},
            {"type": "reasoning.encrypted", "index": 1, "id": "a", "data": "x"},
            {"type": "reasoning.encrypted", "index": 1, "id": "b", "data": "y"},
        ]
        sent = sse(*(event({"reasoning_details": [each]}) for each in pieces), event(finish="stop"))
        kept = decode(sent, echo="reasoning_details")[-1].opaque.content["reasoning_details"]
        assert kept == [
            {"type": "reasoning.text", "index": 0, "text": "Let me see", "signature": "sig=="},
            pieces[3],
            pieces[4],
        ]

    def test_thinking_that_is_cut_in_a_character(self):
        sent = sse(event({"reasoning": "\ud83e"}), event({"reasoning": "\udd14"}), event(finish="stop"))
        assert decode(sent)[0] == ThinkingChunk("\U0001f914")

    def test_a_last_event_that_repeats_the_message_says_nothing_new(self):
        again = {"choices": [{"index": 0, "delta": {}, "message": {"content": "a"}, "finish_reason": "stop"}]}
        assert [type(chunk) for chunk in decode(sse(event({"content": "a"}), again))] == [TextChunk, DoneChunk]

    def test_content_as_a_list_of_parts(self):
        parts = [
            {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
            {"type": "text", "text": "yes"},
        ]
        assert decode(sse(event({"content": parts}, "stop")))[:2] == [ThinkingChunk("hm"), TextChunk("yes")]

    def test_a_refusal_is_shown_and_marked(self):
        chunks = decode(sse(event({"refusal": "I will not."}), event(finish="stop")))
        assert chunks[0] == TextChunk("I will not.")
        assert (chunks[-1].finish, chunks[-1].raw_finish) == ("content_filter", "stop")

    def test_half_a_character_alone_becomes_a_mark(self):
        assert decode(sse(event({"content": "a\ud83d"}), event(finish="stop")))[:2] == [
            TextChunk("a"),
            TextChunk("\ufffd"),
        ]
        assert "".join(c.text for c in decode(sse(event({"content": "\ude00b"}, "stop")))[:1]) == "\ufffdb"


class TestTerminators:
    @pytest.mark.parametrize(
        ("sent", "finish", "raw"),
        [
            (sse(event({"content": "a"}), event(finish="stop")), "stop", "stop"),
            (sse(event({"content": "a"}), b"[DONE]"), "stop", "null"),
            (sse(event({"content": "a"})) + b"data: [DONE]", "stop", "null"),
            (sse(event({"content": "a"}, "length")), "length", "length"),
            (sse(event({"content": "a"}), event(finish="eos"), event(finish="stop")), "stop", "eos"),
            (sse(event({"content": "a"}), event(finish="content_filter")), "content_filter", "content_filter"),
            (sse(event({"content": "a"}, "")) + sse(event(finish="max_tokens")), "length", "max_tokens"),
        ],
    )
    def test_what_completes_a_reply(self, sent, finish, raw):
        done = decode(sent)[-1]
        assert (done.finish, done.raw_finish) == (finish, raw)

    @pytest.mark.parametrize("last", [event({"content": "b"}), event({"content": "b"}, ""), {"choices": []}])
    def test_what_does_not(self, last):
        chunks, error = so_far(OpenAIDecoder(), [sse(event({"content": "a"}), last)])
        assert chunks[0] == TextChunk("a")
        assert error is IncompleteReply


CALLS = {
    "no index": [call(None, "a", "f", '{"x":'), call(None, None, None, "1}"), call(None, "b", "g", "{}")],
    "the same index": [call(0, "a", "f", '{"x":1}'), call(0, "b", "g", "{}")],
    "an index gap": [call(3, "a", "f", '{"x":1}'), call(7, "b", "g", "{}")],
    "ids on every piece": [call(0, "a", "f", '{"x":'), call(0, "a", "f", "1}"), call(1, "b", "g", "{}")],
    "a drifting index": [call(0, "a", "f", '{"x":'), call(1, "a", None, "1}"), call(2, "b", "g", "{}")],
    "interleaved": [call(0, "a", "f"), call(1, "b", "g"), call(0, None, None, '{"x":1}'), call(1, None, None, "{}")],
    "arguments as an object": [call(0, "a", "f", {"x": 1}), call(1, "b", "g", {})],
    "arguments null": [call(0, "a", "f", '{"x":1}'), call(1, "b", "g", None)],
    "both at once": [event({"tool_calls": [piece(0, "a", "f", '{"x":1}'), piece(1, "b", "g")]})],
    "pieces without a function": [
        call(0, "a", "f", '{"x":1}'),
        event({"tool_calls": [{"index": 0, "function": None}]}),
        call(1, "b", "g"),
    ],
}


class TestCalls:
    @pytest.mark.parametrize("finish", ["tool_calls", "stop", "eos"])
    @pytest.mark.parametrize("pieces", CALLS.values(), ids=CALLS)
    def test_they_are_put_together(self, pieces, finish):
        message = assembled(decode(sse(*pieces, event(finish=finish)))).message()
        assert [(each.id, each.name, each.arguments) for each in message.calls] == [
            ("a", "f", {"x": 1}),
            ("b", "g", {}),
        ]
        assert message.finish == "tool_calls"

    def test_without_ids_they_get_some(self):
        message = assembled(
            decode(sse(call(0, None, "f", "{}"), call(1, "", "g", "{}"), event(finish="stop")))
        ).message()
        assert [each.name for each in message.calls] == ["f", "g"]
        assert len({each.id for each in message.calls}) == 2
        assert all(each.id for each in message.calls)

    def test_arguments_that_were_cut_off_are_no_arguments(self):
        message = assembled(decode(sse(call(0, "a", "f", '{"path": "/a'), event(finish="length")))).message()
        [cut] = message.calls
        assert (cut.arguments, cut.raw, message.finish) == (None, '{"path": "/a', "length")

    def test_the_old_way_of_calling(self):
        sent = sse(event({"function_call": {"name": "f", "arguments": "{}"}}), event(finish="function_call"))
        [only] = assembled(decode(sent)).message().calls
        assert (only.name, only.arguments) == ("f", {})

    def test_nonsense_where_calls_should_be(self):
        sent = sse(event({"tool_calls": [None, 7, {"index": "x", "function": []}]}), event({"content": "a"}, "stop"))
        assert [each for each in decode(sent) if isinstance(each, CallChunk)] == []


ERRORS = [
    ({"error": {"message": "quota", "code": "insufficient_quota"}}, OutOfQuota),
    ({"error": {"message": "Slow down", "type": "rate_limit_error"}}, RateLimited),
    ({"error": {"message": "Provider returned error", "code": 502}}, ServerFailed),
    ({"error": "the GPU fell off"}, ServerFailed),
    (
        {"choices": [{"index": 0, "delta": {}, "error": {"code": 429, "message": "x"}, "finish_reason": "error"}]},
        RateLimited,
    ),
    ({"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]}, ServerFailed),
    ({"error parsing tool call": "raw='{'"}, ModelFailed),
    ({"object": "error", "message": "oops", "code": 500}, ServerFailed),
    ({"error": {"code": "content_filter", "message": "no"}}, ContentFiltered),
    (b"not json", ProtocolBroken),
    (b"[1, 2]", ProtocolBroken),
    (b'{"choices": [' + b"[" * 100_000, ProtocolBroken),
]


class TestErrorsInTheStream:
    @pytest.mark.parametrize("before", [(), ("a", "b")])
    @pytest.mark.parametrize(("broken", "kind"), ERRORS, ids=[str(each[0])[:40] for each in ERRORS])
    def test_they_are_typed_and_what_came_is_kept(self, before, broken, kind):
        pieces = sse(*(event({"content": piece}) for piece in before), broken)
        chunks, error = so_far(OpenAIDecoder(), [pieces])
        assert (chunks, error) == ([TextChunk(piece) for piece in before], kind)

    @pytest.mark.parametrize(
        ("broken", "kind"), [each for each in ERRORS if isinstance(each[0], dict) and "choices" not in each[0]]
    )
    def test_so_are_those_in_a_whole_reply(self, broken, kind):
        with pytest.raises(kind):
            list(OpenAIDecoder().decode_document(json.dumps(broken).encode()))

    @pytest.mark.parametrize(
        "odd", [{"choices": None}, {"choices": [{}]}, {"choices": [None]}, {}, {"choices": {"a": 1}}]
    )
    def test_odd_events_are_passed_over(self, odd):
        assert decode(sse(odd, event({"content": "a"}), event(finish="stop")))[0] == TextChunk("a")


SAID = ["choices", "delta", "message", "content", "refusal", "reasoning", "reasoning_details", "text", "type"]
CALLED = ["tool_calls", "function", "function_call", "arguments", "id", "index"]
KEYS = st.sampled_from([*SAID, *CALLED, "error", "usage", "finish_reason"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=examples(200), deadline=None)
@given(VALUES)
def test_no_json_makes_the_decoder_fail_otherwise_than_by_our_errors(value):
    so_far(OpenAIDecoder(), [sse(value, event(finish="stop"))])
    chunks, _ = so_far(
        OpenAIDecoder(), [sse({"choices": [value]}, {"choices": [{"delta": value}]}, event(finish="stop"))]
    )
    assert assembled(chunks).message().role == "assistant"
    try:
        list(OpenAIDecoder().decode_document(json.dumps(value).encode()))
    except GatewayError as error:
        assert error.what


def encoded(request: Request, **given: Any) -> Any:
    return json.loads(OpenAI(**given).encode(request))


ASKED = (
    Message.user("look"),
    Message.assistant("", [ToolCall("c1", "look", {"at": "x"}, '{"at": "x"}')], "tool_calls"),
    Message.tool([ToolResult("c1", "look", {"seen": [1, None]})]),
)


class TestEncoding:
    def test_a_plain_question(self):
        assert encoded(Request("m", (Message.user("hi"),), system="Be kind.")) == {
            "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hi"}],
            "model": "m",
            "stream": True,
            "stream_options": {"include_usage": True},
        }

    def test_calls_and_their_results(self):
        [_, asked, answered] = encoded(Request("m", ASKED, tools=(SPEC,)))["messages"]
        function = {"name": "look", "arguments": '{"at": "x"}'}
        calls = [{"id": "c1", "type": "function", "function": function}]
        assert asked == {"role": "assistant", "content": None, "tool_calls": calls}
        assert answered == {"role": "tool", "tool_call_id": "c1", "content": '{"seen":[1,null]}'}

    def test_every_result_is_one_message_and_failures_are_marked(self):
        results = [ToolResult("a", "f", "text"), ToolResult("b", "g", "no such file", failed=True)]
        sent = encoded(Request("m", (Message.tool(results),)))["messages"]
        assert [each["content"] for each in sent] == ["text", "error: no such file"]

    def test_arguments_that_were_no_json_are_sent_as_json(self):
        broken = Message.assistant("", [ToolCall("a", "f", None, '{"x', "cut")], "length")
        [sent] = encoded(Request("m", (broken,)))["messages"]
        assert json.loads(sent["tool_calls"][0]["function"]["arguments"]) == {"not_json": '{"x'}

    @pytest.mark.parametrize("finish", ["incomplete", "cancelled"])
    def test_of_a_reply_that_broke_off_only_the_text_is_sent(self, finish):
        broken = Message.assistant("I will lo", [ToolCall("c1", "look", {}, "{}")], finish)
        results = Message.tool([ToolResult("c1", "look", "interrupted", failed=True)])
        sent = encoded(Request("m", (Message.user("a"), broken, results, Message.user("b"))))["messages"]
        assert [each["role"] for each in sent] == ["user", "assistant", "user"]
        assert sent[1] == {"role": "assistant", "content": "I will lo"}
        silent = Message.assistant("", [ToolCall("c1", "look", {}, "{}")], finish)
        assert len(encoded(Request("m", (Message.user("a"), silent, results)))["messages"]) == 1

    def test_images(self):
        picture = Attachment("image/png", b"\x89PNG")
        [sent] = encoded(Request("m", (Message.user("what?", [picture]),)))["messages"]
        assert sent["content"] == [
            {"type": "text", "text": "what?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
        ]
        seen = Message.tool([ToolResult("c", "look", "see", files=(picture,))])
        assert [each["role"] for each in encoded(Request("m", (seen,)))["messages"]] == ["tool", "user"]

    def test_options_and_what_is_passed_through(self):
        options = {"max_tokens": 5, "temperature": 0.5, "stop": ["x"], "extra": {"logprobs": True, "top_k": 3}}
        sent = encoded(Request("llama", (), options=options))
        assert (sent["max_tokens"], sent["temperature"], sent["stop"]) == (5, 0.5, ["x"])
        assert (sent["logprobs"], sent["top_k"]) == (True, 3)
        assert "extra" not in sent

    def test_reasoning_models_take_other_options(self):
        options = {"max_tokens": 5, "temperature": 0.5, "top_p": 1, "thinking": "low"}
        sent = encoded(Request("gpt-5-mini", (), options=options))
        assert (sent["max_completion_tokens"], sent["reasoning_effort"]) == (5, "low")
        assert not {"max_tokens", "temperature", "top_p", "thinking"} & set(sent)
        assert not OpenAI().capabilities("gpt-5-mini").sampling
        assert OpenAI().capabilities("gpt-4o-mini").sampling

    @pytest.mark.parametrize(
        ("choice", "sent"),
        [
            ("auto", None),
            ("none", "none"),
            ("required", "required"),
            ("look", {"type": "function", "function": {"name": "look"}}),
        ],
    )
    def test_the_choice_of_tools(self, choice, sent):
        assert encoded(Request("m", (), tools=(SPEC,), tool_choice=choice)).get("tool_choice") == sent
        assert "tool_choice" not in encoded(Request("m", (), tool_choice=choice))

    def test_parallel_calls_are_an_option_of_tools(self):
        options = {"parallel_calls": False}
        assert encoded(Request("m", (), options=options, tools=(SPEC,)))["parallel_tool_calls"] is False
        assert "parallel_tool_calls" not in encoded(Request("m", (), options=options))

    def test_structured_output(self):
        schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
        sent = encoded(Request("m", (), schema=schema))["response_format"]
        assert (sent["type"], sent["json_schema"]["schema"]) == ("json_schema", schema)
        assert "response_format" not in encoded(Request("m", (), schema=schema), name="deepseek")

    def test_a_reply_in_one_piece(self):
        assert "stream" not in encoded(Request("m", (), stream=False))
        assert "stream_options" not in encoded(Request("m", (), stream=False))

    def test_lone_surrogates_never_leave(self):
        body = OpenAI().encode(Request("m", (Message.user("a\ud83d b"),), system="\udc00"))
        assert "\ufffd" in body.decode()
        json.loads(body)

    def test_thinking_goes_back_to_its_own_model_in_a_tool_loop(self):
        kept = Opaque("openai", "m", {"reasoning_content": "hm"})
        thought = Message("assistant", calls=ASKED[1].calls, finish="tool_calls", opaque=kept)
        assert encoded(Request("m", (thought,)))["messages"][0]["reasoning_content"] == "hm"
        assert "reasoning_content" not in encoded(Request("other", (thought,)))["messages"][0]

    def test_what_did_not_change_is_not_encoded_again(self):
        gateway = OpenAI()
        counted = _Counting("a")
        messages = (Message.user("x"), Message.tool([ToolResult("c", "f", counted)]))
        for _ in range(3):
            gateway.encode(Request("m", messages))
        assert counted.asked == 1


class _Counting(dict[str, int]):
    """An output that counts how often it is encoded."""

    asked = 0

    def __init__(self, key: str) -> None:
        super().__init__({key: 1})

    def items(self) -> Any:
        self.asked += 1
        return super().items()


class TestQuirks:
    def test_mistral_ids_are_nine_letters_and_pairs_stay_pairs(self):
        mistral = {"name": "mistral"}
        [_, asked, answered] = encoded(Request("m", ASKED), **mistral)["messages"]
        sent = asked["tool_calls"][0]["id"]
        assert len(sent) == 9
        assert sent.isalnum()
        assert answered["tool_call_id"] == sent
        assert answered["name"] == "look"
        own = Message.assistant("", [ToolCall("Ab3dE6gH9", "look", {}, "{}")])
        assert encoded(Request("m", (own,)), **mistral)["messages"][0]["tool_calls"][0]["id"] == "Ab3dE6gH9"

    def test_mistral_takes_no_text_with_calls_and_no_usage_option(self):
        spoken = Message.assistant("Let me look.", ASKED[1].calls, "tool_calls")
        sent = encoded(Request("m", (spoken,), options={"seed": 7}), name="mistral")
        assert sent["messages"][0]["content"] == ""
        assert "stream_options" not in sent
        assert (sent["random_seed"], sent.get("seed")) == (7, None)

    def test_roles_alternate_where_they_must(self):
        messages = (Message.user("a"), Message.user("b"), *ASKED[1:], Message.user("c"), Message.user("d"))
        sent = encoded(Request("m", messages), name="llamacpp")["messages"]
        assert [each["role"] for each in sent] == ["user", "assistant", "tool", "assistant", "user"]
        assert (sent[0]["content"], sent[-1]["content"]) == ("a\n\nb", "c\n\nd")

    def test_refused_options_are_left_out(self):
        sent = encoded(Request("m", (), options={"top_k": 3, "max_tokens": 4}), name="groq")
        assert "top_k" not in sent
        assert sent["max_completion_tokens"] == 4

    def test_an_unknown_quirk_is_refused(self):
        with pytest.raises(UsageError, match="plain_idz"):
            OpenAI(quirks={"plain_idz": True})

    def test_quirks_from_yaml_are_lists(self):
        sent = encoded(Request("m", (), options={"seed": 1}), quirks={"refused": ["seed"]})
        assert "seed" not in sent

    def test_azure_takes_its_key_in_a_header_of_its_own(self, fault_server, monkeypatch):
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", fault_server.url + "/")
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-key-1")
        fault_server.answers(
            fault_server.chunked(sse({"choices": [], "prompt_filter_results": []}, event(finish="stop")))
        )
        gateway = connect("azure")
        list(gateway.stream(Request("m", (Message.user("hi"),))))
        gateway.close()
        [asked] = fault_server.asked
        assert asked.path == "/openai/v1/chat/completions"
        assert asked.headers["api-key"] == "azure-key-1"
        assert "authorization" not in asked.headers


class TestWindows:
    @pytest.mark.parametrize(
        ("listed", "window"),
        [
            ({"data": [{"id": "m", "max_model_len": 4096}]}, 4096),
            ({"data": [{"id": "m", "context_length": 8192}, {"id": "n", "context_length": 5}]}, 8192),
            ({"data": [{"id": "other", "meta": {"n_ctx": 2048, "n_ctx_train": 9}}]}, 2048),
            ([{"id": "m", "context_length": 1024}], 1024),
            ({"data": [{"id": "m"}]}, None),
            ({"data": "none"}, None),
            ("nothing", None),
        ],
    )
    def test_the_list_of_models_tells_them(self, fault_server, listed, window):
        fault_server.answers(fault_server.whole(listed))
        gateway = OpenAI(url=fault_server.url, quirks={"lists_windows": True})
        assert [gateway.capabilities("m").window for _ in range(2)] == [window, window]
        assert [asked.path for asked in fault_server.asked] == ["/models"]
        gateway.close()

    def test_a_server_without_a_list_is_no_error(self, fault_server):
        fault_server.answers(fault_server.whole({}, 404))
        gateway = OpenAI(url=fault_server.url, quirks={"lists_windows": True})
        assert [gateway.capabilities("m").window for _ in range(3)] == [None, None, None]
        assert len(fault_server.asked) == 1
        gateway.close()

    def test_a_server_that_is_only_just_starting_is_asked_again(self, fault_server):
        fault_server.answers(fault_server.whole({"error": {"message": "Loading model"}}, 503))
        fault_server.answers(fault_server.whole({"data": [{"id": "m", "max_model_len": 4096}]}))
        gateway = OpenAI(url=fault_server.url, quirks={"lists_windows": True})
        assert [gateway.capabilities("m").window for _ in range(2)] == [None, 4096]
        gateway.close()

    def test_a_server_that_is_not_known_to_tell_is_not_asked(self, fault_server):
        gateway = OpenAI(url=fault_server.url)
        assert gateway.capabilities("m").window is None
        assert fault_server.asked == []
        gateway.close()

    def test_the_longest_known_name_wins(self):
        assert OpenAI().capabilities("gpt-4o-2024-08-06").window == 128_000
        assert OpenAI().capabilities("gpt-4-0613").window == 8_192
        assert OpenAI().capabilities("something").window is None


def recordings() -> list[Any]:
    found = []
    for path in sorted(WIRE.glob("openai-chat*.json")):
        for number, each in enumerate(json.loads(path.read_text(encoding="utf-8"))):
            found.append(pytest.param(each, id=f"{path.stem}-{number}"))
    return found or [pytest.param(None, marks=pytest.mark.skip(reason="the recordings are not here"))]


def _joined(content: Any) -> str:
    """The text of the SDK's accumulator, which leaves lists of parts as they came."""
    parts = content if isinstance(content, list) else [content or ""]
    return "".join(part if isinstance(part, str) else part.get("text", "") for part in parts)


@pytest.mark.filterwarnings("ignore::UserWarning:pydantic")
@pytest.mark.parametrize("recorded", recordings())
def test_recorded_streams_decode_to_what_the_sdk_makes_of_them(recorded, fault_server):
    import openai

    body = recorded["body"].encode()
    fault_server.answers(fault_server.chunked(body, size=997))
    asked = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    with (
        openai.OpenAI(base_url=fault_server.url, api_key="k", max_retries=0) as client,
        client.chat.completions.stream(**asked) as stream,
    ):
        stream.until_done()
        theirs = stream.current_completion_snapshot
    gateway = OpenAI(url=fault_server.url)
    chunks = list(gateway.stream(Request("m", (Message.user("x"),))))
    gateway.close()
    ours, done = assembled(chunks).message(), chunks[-1]
    choice = theirs.choices[0]
    assert ours.text == _joined(choice.message.content)
    assert [(each.id, each.name, each.raw) for each in ours.calls] == [
        (each.id, each.function.name, each.function.arguments) for each in choice.message.tool_calls or ()
    ]
    assert done.raw_finish == choice.finish_reason
    assert done.model == theirs.model
    if theirs.usage:
        assert done.usage.input_tokens == theirs.usage.prompt_tokens
        assert done.usage.output_tokens == theirs.usage.completion_tokens


def test_threads_share_a_gateway(fault_server):
    texts = [f"reply {number}" for number in range(24)]
    for each in texts:
        fault_server.answers(fault_server.chunked(sse(event({"content": each}), event(finish="stop"), b"[DONE]")))
    gateway = OpenAI(url=fault_server.url)
    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(lambda: list(gateway.stream(Request("m", (Message.user("x"),))))) for _ in texts]
        said = [assembled(each.result()).message().text for each in asked]
    gateway.close()
    assert sorted(said) == sorted(texts)
    assert fault_server.connections <= 6


@pytest.mark.parametrize(
    ("gateway", "key"),
    [
        ({}, "s_1"),
        ({"url": "https://compatible.example/v1"}, None),
        ({"url": "https://compatible.example/v1", "quirks": {"cache": True}}, "s_1"),
        ({"name": "groq"}, None),
        ({"name": "azure", "url": "https://mine.openai.azure.com/openai/v1"}, None),
    ],
)
def test_a_conversation_is_named_for_the_cache_where_the_server_takes_that(gateway, key):
    body = json.loads(OpenAI(key="k", **gateway).encode(Request("gpt-4.1", (Message.user("hi"),), conversation="s_1")))
    assert body.get("prompt_cache_key") == key
    off = Request("gpt-4.1", (Message.user("hi"),), conversation="s_1", cache=False)
    assert "prompt_cache_key" not in json.loads(OpenAI(key="k", **gateway).encode(off))
