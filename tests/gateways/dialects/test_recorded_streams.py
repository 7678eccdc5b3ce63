"""Responses, anthropic and gemini alike: recorded streams, every split, every cut, and servers that are strict."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decoding import assembled
from runner.core.chunks import CallChunk, Chunk, DoneChunk
from runner.core.errors import GatewayError, IncompleteReply
from runner.core.history import Exchange
from runner.core.messages import Message, Opaque, ToolCall, ToolResult, ToolSpec
from runner.gateways import Request
from runner.gateways.dialects import anthropic, gemini, responses
from runner.gateways.dialects.anthropic_decoder import AnthropicDecoder
from runner.gateways.dialects.gemini import GeminiDecoder
from runner.gateways.dialects.responses import ResponsesDecoder
from runner.gateways.http.error_context import ErrorContext
from thoroughness import examples

RECORDED = Path(__file__).parents[4] / "shared" / "wire"
CONTEXT = ErrorContext("the server", "https://server", "m")
PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Dialect:
    """A dialect, a stream of it that holds one of everything, and how that ends."""

    name: str
    decoder: Callable[[ErrorContext], Any]
    events: tuple[dict[str, Any], ...]

    def bytes_of(self, events: Iterable[dict[str, Any]]) -> bytes:
        return b": hello\n\n" + b"".join(
            b"data: " + json.dumps(e, ensure_ascii=False).encode() + b"\n\n" for e in events
        )

    @property
    def stream(self) -> bytes:
        return self.bytes_of(self.events)


def messages_events() -> Iterator[dict[str, Any]]:
    def delta(index: int, **said: str) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": index, "delta": said}

    def begin(index: int, **head: Any) -> dict[str, Any]:
        return {"type": "content_block_start", "index": index, "content_block": head}

    yield {"type": "message_start", "message": {"model": "m-1", "usage": {"input_tokens": 3}}}
    yield {"type": "ping"}
    yield begin(0, type="thinking", thinking="", signature="")
    yield delta(0, type="thinking_delta", thinking="hm…")
    yield delta(0, type="signature_delta", signature="c2ln")
    yield {"type": "content_block_stop", "index": 0}
    yield begin(1, type="text", text="")
    yield delta(1, type="text_delta", text="Grüße, 世界 \u2028")
    yield delta(1, type="text_delta", text="😀!")
    yield {"type": "content_block_stop", "index": 1}
    yield begin(2, type="tool_use", id="t1", name="f", input={})
    yield delta(2, type="input_json_delta", partial_json='{"a": ')
    yield delta(2, type="input_json_delta", partial_json='"é"}')
    yield {"type": "content_block_stop", "index": 2}
    yield {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}}
    yield {"type": "message_stop"}


def responses_events() -> Iterator[dict[str, Any]]:
    content = [{"type": "output_text", "text": "Grüße, 世界 \u2028😀!"}]
    said = {"id": "m1", "type": "message", "role": "assistant", "content": content}
    thought = {"id": "r1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm…"}]}
    called = {"id": "f1", "type": "function_call", "call_id": "t1", "name": "f", "arguments": '{"a": "é"}'}
    yield {"type": "response.created", "response": {"status": "in_progress"}}
    yield {"type": "response.output_item.added", "output_index": 0, "item": thought | {"summary": []}}
    yield {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "hm…"}
    yield {"type": "response.output_item.done", "output_index": 0, "item": thought | {"encrypted_content": "gAA="}}
    yield {"type": "response.output_item.added", "output_index": 1, "item": said | {"content": []}}
    yield {"type": "response.output_text.delta", "output_index": 1, "delta": "Grüße, 世界 \u2028"}
    yield {"type": "response.output_text.delta", "output_index": 1, "delta": "😀!"}
    yield {"type": "response.output_item.done", "output_index": 1, "item": said}
    yield {"type": "response.output_item.added", "output_index": 2, "item": called | {"arguments": ""}}
    yield {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": '{"a": '}
    yield {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": '"é"}'}
    yield {"type": "response.output_item.done", "output_index": 2, "item": called}
    usage = {"input_tokens": 3, "output_tokens": 5}
    done = {"status": "completed", "model": "m-1", "usage": usage, "output": [thought, said, called]}
    yield {"type": "response.completed", "response": done}


def gemini_events() -> Iterator[dict[str, Any]]:
    def event(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"candidates": [{"content": {"parts": list(parts), "role": "model"}, "index": 0} | more]}

    yield event({"text": "hm…", "thought": True})
    yield event({"text": "Grüße, 世界 \u2028"})
    yield event({"text": "😀!"})
    called = {"functionCall": {"id": "t1", "name": "f", "args": {"a": "é"}}, "thoughtSignature": "c2ln"}
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 5}
    yield event(called, finishReason="STOP") | {"usageMetadata": usage, "modelVersion": "m-1"}


DIALECTS = (
    Dialect("anthropic", AnthropicDecoder, tuple(messages_events())),
    Dialect("responses", ResponsesDecoder, tuple(responses_events())),
    Dialect("gemini", GeminiDecoder, tuple(gemini_events())),
)
each_dialect = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)


def recorded(family: str) -> list[bytes]:
    path = RECORDED / f"{family}.json"
    return [each["body"].encode() for each in json.loads(path.read_bytes())] if path.exists() else []


def streams(family: str) -> Any:
    """A parametrisation over the recorded streams of a family, skipped where they are not there."""
    found = recorded(family)
    marks = [] if found else [pytest.mark.skip(reason=f"no recorded streams in {RECORDED}")]
    cases = [pytest.param(data, id=f"{family}-{number}") for number, data in enumerate(found)]
    return pytest.mark.parametrize("data", cases or [pytest.param(b"", marks=marks)])


def chunks_of(decoder: Any, pieces: Iterable[bytes]) -> list[Chunk]:
    chunks: list[Chunk] = []
    for piece in pieces:
        chunks += decoder.feed(piece)
        if decoder.ended:
            return chunks
    return [*chunks, *decoder.end()]


def spoken(message: Message) -> tuple[Any, ...]:
    """What a reply says, without the ids that are made here."""
    return message.text, message.thinking, [(call.name, call.arguments) for call in message.calls]


# Against the official SDKs, on what real servers sent.


@streams("anthropic")
def test_anthropics_sdk_makes_the_same_of_it(data, fault_server):
    import anthropic as sdk

    fault_server.answers(fault_server.head(), data)
    client = sdk.Anthropic(base_url=fault_server.url, api_key="k", max_retries=0)
    with client, client.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "x"}]) as stream:
        wanted = stream.get_final_message()
    reply = assembled(chunks_of(AnthropicDecoder(CONTEXT), [data]))
    message = reply.message()
    assert message.text == "".join(block.text for block in wanted.content if block.type == "text")
    assert message.thinking == "".join(block.thinking for block in wanted.content if block.type == "thinking")
    calls = [(block.id, block.name, block.input) for block in wanted.content if block.type == "tool_use"]
    assert [(call.id, call.name, call.arguments) for call in message.calls] == calls
    assert (reply.done.raw_finish, reply.done.model) == (wanted.stop_reason, wanted.model)
    read = wanted.usage.cache_read_input_tokens or 0
    written = wanted.usage.cache_creation_input_tokens or 0
    assert reply.done.usage.input_tokens == wanted.usage.input_tokens + read + written
    assert reply.done.usage.output_tokens == wanted.usage.output_tokens
    if reply.done.opaque:
        blocks = [block.to_dict() for block in wanted.content if block.type != "text" or block.text]
        assert reply.done.opaque.content == blocks


@streams("openai-responses")
def test_openais_sdk_makes_the_same_of_it(data, fault_server):
    import openai as sdk

    fault_server.answers(fault_server.head(), data)
    client = sdk.OpenAI(base_url=fault_server.url, api_key="k", max_retries=0)
    with client, client.responses.stream(model="m", input="x") as stream:
        wanted = stream.get_final_response()
    reply = assembled(chunks_of(ResponsesDecoder(CONTEXT), [data]))
    message = reply.message()
    assert message.text == wanted.output_text
    calls = [(each.call_id, each.name, each.arguments) for each in wanted.output if each.type == "function_call"]
    assert [(call.id, call.name, call.raw) for call in message.calls] == calls
    assert [call.arguments for call in message.calls] == [json.loads(raw) for _, _, raw in calls]
    assert (reply.done.raw_finish, reply.done.model) == (wanted.status, wanted.model)
    counted = wanted.usage
    assert (reply.done.usage.input_tokens, reply.done.usage.output_tokens) == (
        counted.input_tokens,
        counted.output_tokens,
    )
    assert reply.done.usage.cached_tokens == counted.input_tokens_details.cached_tokens
    assert reply.done.usage.reasoning_tokens == counted.output_tokens_details.reasoning_tokens


@streams("gemini")
def test_googles_sdk_makes_the_same_of_it(data, fault_server):
    from google import genai as sdk

    fault_server.answers(fault_server.head(), data)
    client = sdk.Client(api_key="k", http_options={"base_url": fault_server.url})
    arrived = list(client.models.generate_content_stream(model="m", contents="x"))
    client.close()
    parts = [part for each in arrived for part in each.candidates[0].content.parts or []]
    reply = assembled(chunks_of(GeminiDecoder(CONTEXT), [data]))
    message = reply.message()
    assert message.text == "".join(part.text or "" for part in parts if not part.thought)
    calls = [(part.function_call.name, part.function_call.args) for part in parts if part.function_call]
    assert [(call.name, call.arguments) for call in message.calls] == calls
    last = arrived[-1]
    assert (reply.done.raw_finish, reply.done.model) == (last.candidates[0].finish_reason.value, last.model_version)
    counted, usage = last.usage_metadata, reply.done.usage
    assert usage.input_tokens == counted.prompt_token_count + (counted.tool_use_prompt_token_count or 0)
    assert usage.output_tokens == counted.candidates_token_count + (counted.thoughts_token_count or 0)
    assert usage.total_tokens == counted.total_token_count


# However the bytes come.


@each_dialect
def test_the_stream_that_the_properties_use_says_what_it_should(dialect):
    reply = assembled(chunks_of(dialect.decoder(CONTEXT), [dialect.stream]))
    message = reply.message()
    assert spoken(message) == ("Grüße, 世界 \u2028😀!", "hm…", [("f", {"a": "é"})])
    assert (message.calls[0].id, message.finish, reply.done.model) == ("t1", "tool_calls", "m-1")
    assert (reply.done.usage.input_tokens, reply.done.usage.output_tokens) == (3, 5)
    assert reply.done.opaque.dialect == dialect.name


ALL_STREAMS = [
    *((dialect, dialect.stream) for dialect in DIALECTS),
    *((DIALECTS[0], data) for data in recorded("anthropic")),
    *((DIALECTS[1], data) for data in recorded("openai-responses")),
    *((DIALECTS[2], data) for data in recorded("gemini")),
]


@given(st.sampled_from(ALL_STREAMS), st.lists(st.floats(0, 1), max_size=12))
@settings(max_examples=examples(60), deadline=None)
def test_any_split_gives_the_same_chunks(case, places):
    dialect, data = case
    cuts = [0, *sorted(int(place * len(data)) for place in places), len(data)]
    pieces = [data[start:end] for start, end in pairwise(cuts)]
    assert chunks_of(dialect.decoder(CONTEXT), pieces) == chunks_of(dialect.decoder(CONTEXT), [data])


@each_dialect
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_byte_by_byte_with_any_line_end_gives_the_same_chunks(dialect, line_end):
    data = dialect.stream.replace(b"\n", line_end)
    pieces = [data[at : at + 1] for at in range(len(data))]
    assert chunks_of(dialect.decoder(CONTEXT), pieces) == chunks_of(dialect.decoder(CONTEXT), [dialect.stream])


@each_dialect
def test_nothing_follows_the_end(dialect):
    once = chunks_of(dialect.decoder(CONTEXT), [dialect.stream])
    late = dialect.bytes_of([{"error": {"message": "late"}, "type": "error"}] if dialect.name != "gemini" else [])
    assert chunks_of(dialect.decoder(CONTEXT), [dialect.stream + late]) == once


@each_dialect
def test_a_stream_cut_at_every_byte_is_whole_or_says_that_it_is_not(dialect):
    data = dialect.stream
    whole = spoken(assembled(chunks_of(dialect.decoder(CONTEXT), [data])).message())
    complete = 0
    for cut in range(len(data)):
        decoder = dialect.decoder(CONTEXT)
        assembly = assembled(decoder.feed(data[:cut]))
        try:
            for chunk in () if decoder.ended else decoder.end():
                assembly.add(chunk)
        except IncompleteReply:
            assert not assembly.done and not decoder.complete
            assert whole[0].startswith("".join(assembly.text))
        else:
            # Nothing at all is the transport's to refuse: it knows what came instead.
            assert decoder.events == 0 or (assembly.done and spoken(assembly.message()) == whole)
            complete += decoder.events > 0
    assert complete < len(data) / 4


@given(st.sampled_from(ALL_STREAMS), st.floats(0, 1, exclude_max=True))
@settings(max_examples=examples(60), deadline=None)
def test_a_recorded_stream_cut_anywhere_is_never_a_silent_success(case, place):
    dialect, data = case
    decoder = dialect.decoder(CONTEXT)
    try:
        done = [each for each in chunks_of(decoder, [data[: int(place * len(data))]]) if isinstance(each, DoneChunk)]
    except IncompleteReply:
        return
    whole = chunks_of(dialect.decoder(CONTEXT), [data])
    assert decoder.events == 0 or done[0].finish == whole[-1].finish


ODD = st.sampled_from([None, True, -1, 1.5, "", "x", "\ud83d", [], [None], [[]], {}, {"type": 3}, {"text": {}}, 10**30])


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) within a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        yield value, key
        yield from places(inner)


@given(st.data())
@settings(max_examples=examples(150), deadline=None)
def test_whatever_stands_in_an_event_there_is_no_other_error_than_ours(data):
    dialect = data.draw(st.sampled_from(DIALECTS))
    events = json.loads(json.dumps(dialect.events))
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(list(places(events))))
        container[key] = deepcopy(data.draw(ODD))
    said = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    for take in (
        lambda decoder: chunks_of(decoder, [said]),
        lambda decoder: decoder.decode_document(json.dumps(events[-1]).encode()),
    ):
        try:
            chunks = list(take(dialect.decoder(CONTEXT)))
        except GatewayError:
            continue
        message = assembled(chunks).message()
        (message.text + message.thinking).encode()
        assert all(isinstance(chunk, CallChunk | DoneChunk) or chunk.text for chunk in chunks)


# What is sent keeps the rules of servers that answer 400 to anything else.


def check_messages(body: dict[str, Any]) -> None:
    """Anthropic's grammar."""
    messages = body["messages"]
    roles = [message["role"] for message in messages]
    assert roles == [("user", "assistant")[at % 2] for at in range(len(roles))]
    waiting: list[str] = []
    for message in messages:
        content = message["content"]
        assert content
        assert all(block["text"].strip() for block in content if block["type"] == "text")
        results = [block["tool_use_id"] for block in content if block["type"] == "tool_result"]
        assert results == waiting and all(block["type"] == "tool_result" for block in content[: len(results)])
        calls = [block for block in content if block["type"] == "tool_use"]
        assert all(PLAIN.fullmatch(call["id"]) and PLAIN.fullmatch(call["name"]) for call in calls)
        assert all(isinstance(call["input"], dict) for call in calls)
        waiting = [call["id"] for call in calls]
    assert not waiting


def check_responses(body: dict[str, Any]) -> None:
    """The grammar of Responses: each call is answered once, and after it was made."""
    waiting: list[str] = []
    for item in body["input"]:
        kind = item.get("type", "message")
        if kind == "function_call":
            assert PLAIN.fullmatch(item["call_id"]) and PLAIN.fullmatch(item["name"])
            assert isinstance(json.loads(item["arguments"]), dict)
            waiting.append(item["call_id"])
        elif kind == "function_call_output":
            waiting.remove(item["call_id"])
        elif kind == "message":
            assert not waiting and item["content"] is not None
    assert not waiting


def check_gemini(body: dict[str, Any]) -> None:
    """Gemini's grammar: as many answers as calls, straight after them."""
    roles = [content["role"] for content in body["contents"]]
    assert roles == [("user", "model")[at % 2] for at in range(len(roles))]
    waiting: list[tuple[str, str]] = []
    for content in body["contents"]:
        parts = content["parts"]
        assert parts and all(part["text"].strip() for part in parts if part.keys() == {"text"})
        answers = [part["functionResponse"] for part in parts if "functionResponse" in part]
        assert [(each["id"], each["name"]) for each in answers] == waiting
        calls = [part["functionCall"] for part in parts if "functionCall" in part]
        assert all(isinstance(call["args"], dict) for call in calls)
        waiting = [(call["id"], call["name"]) for call in calls]
    assert not waiting


STRICT = [
    pytest.param(anthropic.encode, check_messages, id="anthropic"),
    pytest.param(responses.encode, check_responses, id="responses"),
    pytest.param(gemini.encode, check_gemini, id="gemini"),
]
texts = st.sampled_from(["Hi", "", " \n", "two\nlines", "\ud83d lone", "😀"])
names = st.sampled_from(["f", "get_weather", "no such/tool", "", "ü" * 70])
kept = st.sampled_from(
    [
        None,
        *(assembled(chunks_of(each.decoder(CONTEXT), [each.stream])).done.opaque for each in DIALECTS),
        Opaque("anthropic", "m", [{"type": "thinking", "thinking": "", "signature": "s"}]),
    ]
)


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    ids = draw(st.lists(st.sampled_from(["t1", "call:1", "x" * 80, "a b", "é"]), max_size=3, unique=True))
    arguments = st.sampled_from([({}, "{}"), ({"a": "é"}, '{"a": "é"}'), (None, '{"a'), (None, "[1]"), ({"n": 1}, "")])
    calls = []
    for each in ids:
        value, raw = draw(arguments)
        calls.append(ToolCall(each, draw(names), value, raw, "" if value is not None else "cut"))
    finish = draw(st.sampled_from(["stop", "length", "incomplete", "cancelled", "content_filter"]))
    reply = Message("assistant", draw(texts), tuple(calls), finish=finish, opaque=draw(kept))
    answered = [call for call in calls if draw(st.booleans())]
    outputs = st.sampled_from(["", "ok", {"a": [1, None]}, 3, "\udc00"])
    return Exchange.of(reply, [ToolResult(call.id, call.name, draw(outputs), draw(st.booleans())) for call in answered])


conversations = st.lists(st.tuples(texts, st.lists(exchanges(), max_size=3)), max_size=4)


@pytest.mark.parametrize(("encode", "check"), STRICT)
@given(turns=conversations)
@settings(max_examples=examples(80), deadline=None)
def test_strict_servers_take_any_conversation(encode, check, turns):
    messages = [Message.user("Begin.")]
    for question, answers in turns:
        messages += [message for exchange in answers for message in exchange.messages]
        messages.append(Message.user(question))
    tools = (ToolSpec("f", "Does f.", {}),)
    check(json.loads(encode(Request("m", tuple(messages), tools=tools))))


@pytest.mark.parametrize(("encode", "check"), STRICT)
def test_old_messages_are_encoded_once(encode, check):
    """Turn 200 costs about what turn 2 costs: nothing of the past is looked into again."""

    class Watched(Mapping[str, int]):
        looks = 0

        def __getitem__(self, key: str) -> int:
            Watched.looks += 1
            return 1

        def __iter__(self) -> Iterator[str]:
            return iter(["a"])

        def __len__(self) -> int:
            return 1

    from runner.gateways.dialects.anthropic import Anthropic
    from runner.gateways.dialects.gemini import Gemini
    from runner.gateways.dialects.responses import Responses

    gateway = {anthropic.encode: Anthropic, responses.encode: Responses, gemini.encode: Gemini}[encode]()
    call = ToolCall("t1", "f", Watched(), "")
    past = (Message.user("x"), Message.assistant(calls=[call]), Message.tool([ToolResult("t1", "f", "1")]))
    first = encode(Request("m", past), gateway._message_cache)
    seen = Watched.looks
    assert seen and encode(Request("m", past), gateway._message_cache) == first
    assert Watched.looks == seen
    check(json.loads(first))
