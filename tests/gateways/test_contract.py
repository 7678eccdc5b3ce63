"""What every gateway over the wire promises, held for each dialect by one suite and real sockets."""

from __future__ import annotations

import gzip
import json
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import pytest

from runner.core.cancel import Cancelled
from runner.core.chunks import Assembly, Chunk, DoneChunk, TextChunk
from runner.core.errors import (
    GatewayError,
    IncompleteReply,
    KeyRefused,
    ModelMissing,
    OutOfQuota,
    PromptTooLong,
    ProtocolBroken,
    RateLimited,
    Rejected,
    ServerFailed,
    TimedOut,
    Unreachable,
)
from runner.core.messages import Message, ToolSpec, Usage
from runner.core.policy import Timeouts
from runner.gateways import DIALECTS, OPTIONS, Gateway, Request, connect
from runner.transcripts.conversation.run_context import RunContext, redactor_for
from runner.transcripts.files.loader import load_transcript
from runner.transcripts.recording.live_run import run_transcript
from runner.transcripts.recording.recording_writer import write_recording
from runner.transcripts.replaying.replay import replay_recording

QUICK = Timeouts(connect=5, first_token=0.3, gap=0.3)
SPEC = ToolSpec("look", "Looks.", {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]})


@dataclass(frozen=True)
class Specimen:
    """How a dialect says what every dialect can say; each piece is one event, named where its events have names."""

    name: str
    begin: tuple[Any, ...]
    text: Callable[[str], Any]
    end: tuple[Any, ...]
    call: Callable[[str], tuple[Any, ...]]
    cut: tuple[Any, ...]
    error: Callable[[str, str], Any]
    whole: Callable[[str], Any]
    media: str = "text/event-stream"
    named: bool = False
    usage: Usage = field(default_factory=lambda: Usage(7, 3))

    def bytes(self, *events: Any) -> bytes:
        if self.media != "text/event-stream":
            return b"".join(json.dumps(event).encode() + b"\n" for event in events)
        return b"".join(self._event(event) for event in events)

    def _event(self, event: Any) -> bytes:
        if isinstance(event, bytes):
            return event
        name = f"event: {event['type']}\n" if self.named else ""
        return f"{name}data: {json.dumps(event)}\n\n".encode()

    def said(self, *pieces: str) -> bytes:
        return self.bytes(*self.begin, *map(self.text, pieces))

    def complete(self, *pieces: str) -> bytes:
        return self.said(*pieces) + self.bytes(*self.end)


def _chat(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


_CHAT_USAGE = {"prompt_tokens": 7, "completion_tokens": 3}
OPENAI = Specimen(
    "openai",
    begin=(_chat({"role": "assistant", "content": ""}),),
    text=lambda text: _chat({"content": text}),
    end=(_chat({}, "stop"), {"choices": [], "usage": _CHAT_USAGE}, b"data: [DONE]\n\n"),
    call=lambda arguments: (
        _chat({"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "look", "arguments": ""}}]}),
        _chat({"tool_calls": [{"index": 0, "function": {"arguments": arguments}}]}),
    ),
    cut=(_chat({}, "length"),),
    error=lambda kind, message: {"error": {"type": kind, "message": message}},
    whole=lambda text: {
        "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": _CHAT_USAGE,
    },
)


def _line(content: str = "", **more: Any) -> dict[str, Any]:
    return {"model": "m", "message": {"role": "assistant", "content": content} | more.pop("message", {}), **more}


def _as_object(arguments: str) -> Any:
    """The arguments as an object where they are whole, else as the text that some models write."""
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


_OLLAMA_USAGE = {"prompt_eval_count": 7, "eval_count": 3}
OLLAMA = Specimen(
    "ollama",
    begin=(),
    text=lambda text: _line(text, done=False),
    end=(_line(done=True, done_reason="stop", **_OLLAMA_USAGE),),
    call=lambda arguments: (
        _line(message={"tool_calls": [{"function": {"name": "look", "arguments": _as_object(arguments)}}]}, done=False),
    ),
    cut=(_line(done=True, done_reason="length"),),
    error=lambda kind, message: {"error": f"{kind}: {message}"},
    whole=lambda text: _line(text, done=True, done_reason="stop", **_OLLAMA_USAGE),
    media="application/x-ndjson",
)


def _delta(kind: str, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **more}}


def _stop(reason: str) -> tuple[Any, ...]:
    ending = {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 3}}
    return {"type": "content_block_stop", "index": 0}, ending, {"type": "message_stop"}


_TOOL_BLOCK = {"type": "tool_use", "id": "c1", "name": "look", "input": {}}
ANTHROPIC = Specimen(
    "anthropic",
    begin=(
        {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 7, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
    ),
    text=lambda text: _delta("text_delta", text=text),
    end=_stop("end_turn"),
    call=lambda arguments: (
        {"type": "content_block_start", "index": 1, "content_block": _TOOL_BLOCK},
        _delta("input_json_delta", 1, partial_json=arguments),
        {"type": "content_block_stop", "index": 1},
    ),
    cut=_stop("max_tokens"),
    error=lambda kind, message: {"type": "error", "error": {"type": kind, "message": message}},
    whole=lambda text: {
        "type": "message",
        "model": "m",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 7, "output_tokens": 3},
    },
    named=True,
)


def _response(status: str, output: list[Any], **more: Any) -> dict[str, Any]:
    usage = {"input_tokens": 7, "output_tokens": 3}
    return {"id": "r", "object": "response", "model": "m", "status": status, "output": output, "usage": usage} | more


def _spoken(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


_CUT_SHORT = _response("incomplete", [], incomplete_details={"reason": "max_output_tokens"})
_ITEM = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "look", "arguments": ""}
RESPONSES = Specimen(
    "responses",
    begin=(
        {"type": "response.created", "response": _response("in_progress", [], usage=None)},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {"type": "message", "id": "m1", "content": []},
        },
    ),
    text=lambda text: {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": text},
    end=({"type": "response.completed", "response": _response("completed", [])},),
    call=lambda arguments: (
        {"type": "response.output_item.added", "output_index": 1, "item": _ITEM},
        {"type": "response.function_call_arguments.delta", "output_index": 1, "item_id": "fc_1", "delta": arguments},
        {"type": "response.output_item.done", "output_index": 1, "item": _ITEM | {"arguments": arguments}},
    ),
    cut=({"type": "response.incomplete", "response": _CUT_SHORT},),
    error=lambda kind, message: {"type": "error", "code": kind, "message": message},
    whole=lambda text: _response("completed", [_spoken(text)]),
    named=True,
)


def _candidate(parts: list[Any], finish: str | None = None) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": parts}, "index": 0}
    usage = {"promptTokenCount": 7, "candidatesTokenCount": 3}
    return {"candidates": [candidate | ({"finishReason": finish} if finish else {})], "usageMetadata": usage}


GEMINI = Specimen(
    "gemini",
    begin=(),
    text=lambda text: _candidate([{"text": text}]),
    end=(_candidate([], "STOP"),),
    call=lambda arguments: (_candidate([{"functionCall": {"name": "look", "args": _as_object(arguments)}}]),),
    cut=(_candidate([], "MAX_TOKENS"),),
    error=lambda kind, message: {"error": {"code": 0, "status": kind.upper(), "message": message}},
    whole=lambda text: _candidate([{"text": text}], "STOP"),
)
SPECIMENS = [OPENAI, OLLAMA, ANTHROPIC, RESPONSES, GEMINI]


def test_every_dialect_of_servers_is_tried_here():
    assert {each.name for each in SPECIMENS} == {name for name, dialect in DIALECTS.items() if dialect.over_http}


@pytest.fixture(params=SPECIMENS, ids=lambda each: each.name)
def dialect(request: pytest.FixtureRequest) -> Specimen:
    return request.param


@pytest.fixture
def gateway(dialect: Specimen, fault_server: Any) -> Iterator[Gateway]:
    made = connect(dialect.name, url=fault_server.url, key="test-key-123")
    yield made
    made.close()


def ask(**given: Any) -> Request:
    return Request("m", (Message.user("hi"),), **{"timeouts": Timeouts(gap=5, first_token=5), "options": {}} | given)


def shown(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextChunk))


def failing(gateway: Gateway, request: Request | None = None) -> tuple[str, GatewayError]:
    """The text that came before the error, and the error."""
    chunks: list[Chunk] = []
    with pytest.raises(GatewayError) as caught:
        for chunk in gateway.stream(request or ask()):
            chunks.append(chunk)
    assert not any(isinstance(chunk, DoneChunk) for chunk in chunks)
    assert caught.value.where
    return shown(chunks), caught.value


def test_it_is_a_gateway_whose_making_does_no_io(dialect, fault_server):
    made = connect(dialect.name, url=fault_server.url, key="test-key-123")
    assert isinstance(made, Gateway)
    assert (made.name, made.where) == (dialect.name, fault_server.url)
    made.close()
    assert fault_server.connections == 0


def test_a_reply(dialect, gateway, fault_server):
    fault_server.answers(fault_server.chunked(dialect.complete("Hel", "lo \U0001f600"), dialect.media))
    chunks = list(gateway.stream(ask()))
    assert shown(chunks) == "Hello \U0001f600"
    done = chunks[-1]
    assert isinstance(done, DoneChunk)
    assert (done.finish, done.usage) == ("stop", dialect.usage)
    assert sum(isinstance(chunk, DoneChunk) for chunk in chunks) == 1


def test_f16_f17_one_byte_at_a_time_with_other_line_ends(dialect, fault_servers):
    server = fault_servers(one_byte=True)
    noise = b"\xef\xbb\xbf: hello\n\nretry: 7\n\nid: 1\n\n" if dialect.media == "text/event-stream" else b"\n\n"
    data = noise + dialect.complete("a\u2028b\x85c", "\U0001f600\x00")
    server.answers(server.chunked(data.replace(b"\n", b"\r\n"), dialect.media))
    gateway = connect(dialect.name, url=server.url, key="test-key-123")
    assert shown(list(gateway.stream(ask()))) == "a\u2028b\x85c\U0001f600\x00"
    gateway.close()


def test_a_whole_reply_says_the_same_as_a_stream(dialect, gateway, fault_server):
    fault_server.answers(fault_server.whole(dialect.whole("Hello")))
    chunks = list(gateway.stream(ask(stream=False)))
    assert shown(chunks) == "Hello"
    assert (chunks[-1].finish, chunks[-1].usage) == ("stop", dialect.usage)


def test_a_call_keeps_the_types_of_its_arguments(dialect, gateway, fault_server):
    arguments = '{"at": "x", "depth": 2, "deep": {"a": [1, null, true]}}'
    data = dialect.said() + dialect.bytes(*dialect.call(arguments), *dialect.end)
    fault_server.answers(fault_server.chunked(data, dialect.media))
    assembly = Assembly()
    for chunk in gateway.stream(ask(tools=(SPEC,))):
        assembly.add(chunk)
    [call] = assembly.message().calls
    assert (call.name, call.arguments, call.problem) == ("look", json.loads(arguments), "")
    assert assembly.message().finish == "tool_calls"


# Gemini sends whole objects: a cut call never arrives.
@pytest.mark.parametrize("dialect", [OPENAI, OLLAMA, ANTHROPIC, RESPONSES], indirect=True, ids=lambda each: each.name)
def test_f20_a_call_cut_by_the_limit_has_no_arguments(dialect, gateway, fault_server):
    data = dialect.said() + dialect.bytes(*dialect.call('{"at": "/a'), *dialect.cut)
    fault_server.answers(fault_server.chunked(data, dialect.media))
    assembly = Assembly()
    for chunk in gateway.stream(ask(tools=(SPEC,))):
        assembly.add(chunk)
    message = assembly.message()
    assert (message.finish, message.calls[0].arguments, message.calls[0].raw) == ("length", None, '{"at": "/a')
    assert message.calls[0].problem


@pytest.mark.parametrize("framing", ["chunked", "open"])
def test_f01_f02_f03_an_end_without_terminator_is_no_end(dialect, gateway, fault_server, framing):
    data = dialect.said("Hel", "lo")
    if framing == "chunked":
        fault_server.answers(fault_server.chunked(data, dialect.media))
    else:
        fault_server.answers(fault_server.head(content_type=dialect.media) + data, fault_server.FIN)
    before, error = failing(gateway)
    assert (before, type(error)) == ("Hello", IncompleteReply)


def test_f05_a_break_before_any_event_may_be_tried_again(gateway, fault_server):
    fault_server.answers(fault_server.RST)
    before, error = failing(gateway)
    assert (before, type(error), error.retryable) == ("", Unreachable, True)
    assert fault_server.host in str(error)
    assert len(fault_server.asked) == 1


def test_f06_a_break_after_output_may_not(dialect, gateway, fault_server):
    head = fault_server.head(content_type=dialect.media)
    fault_server.answers(head + dialect.said("Hel", "lo"), fault_server.sleep(0.2), fault_server.RST)
    before, error = failing(gateway)
    assert (before, type(error), error.retryable) == ("Hello", IncompleteReply, False)
    assert "events" in error.why


@pytest.mark.parametrize("before", [(), ("Hel", "lo")])
@pytest.mark.parametrize(
    ("code", "kind"), [("overloaded_error", ServerFailed), ("rate_limit_error", RateLimited), ("weird", ServerFailed)]
)
def test_f07_f08_an_error_inside_a_good_status_is_typed(dialect, gateway, fault_server, before, code, kind):
    begun = dialect.said(*before) if before else b""
    fault_server.answers(fault_server.chunked(begun + dialect.bytes(dialect.error(code, "no")), dialect.media))
    came, error = failing(gateway)
    assert (came, type(error)) == ("".join(before), kind)


@pytest.mark.parametrize(
    ("status", "kind", "code", "said"),
    [
        (401, KeyRefused, "authentication_error", "bad key"),
        (403, KeyRefused, "permission_error", "not allowed"),
        (402, OutOfQuota, "billing", "pay first"),
        (429, OutOfQuota, "insufficient_quota", "You exceeded your current quota"),
        (429, RateLimited, "rate_limit_error", "slow down"),
        (404, ModelMissing, "not_found_error", "model: m not found"),
        (413, Rejected, "request_too_large", "too large"),
        (400, Rejected, "invalid_request_error", "temperature: no"),
        (408, ServerFailed, "timeout", "late"),
        (409, ServerFailed, "conflict", "busy"),
        (500, ServerFailed, "api_error", "oops"),
        (502, ServerFailed, "", "Bad Gateway"),
        (503, ServerFailed, "unavailable", "Loading model"),
        (529, ServerFailed, "overloaded_error", "Overloaded"),
        (400, PromptTooLong, "context_length_exceeded", "maximum context length is 4096 tokens"),
        (400, PromptTooLong, "exceed_context_size_error", "the request exceeds the available context size"),
        (400, PromptTooLong, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
    ],
)
def test_f09_f10_f11_f35_statuses(dialect, gateway, fault_server, status, kind, code, said):
    fault_server.answers(fault_server.whole(dialect.error(code, said), status))
    _, error = failing(gateway)
    assert (type(error), error.status) == (kind, status)
    assert said in error.why
    assert error.fix
    assert len(fault_server.asked) == 1


_WISHES = {"stop": ["x"], "thinking": "high", "parallel_calls": False, "seed": 3, "max_tokens": 77, "top_k": 5}


@pytest.mark.parametrize("option", sorted(OPTIONS))
def test_an_option_is_sent_or_known_to_be_lacking(dialect, gateway, fault_server, option):
    fault_server.answers(fault_server.whole(dialect.whole("ok")))
    for options in ({}, {option: _WISHES.get(option, 0.5)}):
        list(gateway.stream(ask(options=options, tools=(SPEC,), stream=False)))
    lacks = option in gateway.capabilities("m").lacks
    plain, wishing = (each.json for each in fault_server.asked if each.path != "/api/show")
    assert (plain == wishing) is lacks


@pytest.mark.parametrize("choice", ["required", "look", "none"])
def test_a_choice_of_tools_is_sent_or_known_to_be_lacking(dialect, gateway, fault_server, choice):
    fault_server.answers(fault_server.whole(dialect.whole("ok")))
    for wish in ("auto", choice):
        list(gateway.stream(ask(tool_choice=wish, tools=(SPEC,), stream=False)))
    lacks = choice != "none" and "tool_choice" in gateway.capabilities("m").lacks
    plain, wishing = (each.json for each in fault_server.asked if each.path != "/api/show")
    assert (plain == wishing) is lacks


@pytest.mark.parametrize(("header", "value", "wait"), [("Retry_After", "7", 7.0), ("retry_after_ms", "1500", 1.5)])
def test_f09_the_wait_that_the_server_asks_for(dialect, gateway, fault_server, header, value, wait):
    error = dialect.error("rate_limit_error", "slow down")
    fault_server.answers(fault_server.whole(error, 429, **{header: value}))
    assert failing(gateway)[1].retry_after == wait


def test_f12_nothing_comes(gateway, fault_server):
    fault_server.answers(fault_server.HANG)
    _, error = failing(gateway, ask(timeouts=QUICK))
    assert isinstance(error, TimedOut)
    assert "timeouts.first_token" in error.fix
    assert fault_server.left.wait(5)


def test_f13_it_stalls(dialect, gateway, fault_server):
    fault_server.answers(fault_server.head(content_type=dialect.media) + dialect.said("Hel", "lo"), fault_server.HANG)
    before, error = failing(gateway, ask(timeouts=QUICK))
    assert (before, type(error)) == ("Hello", TimedOut)
    assert "timeouts.gap" in error.fix


def test_f14_what_carries_no_event_keeps_nothing_alive(dialect, gateway, fault_server):
    drip = b": ping\n\n" if dialect.media == "text/event-stream" else b"\n"
    if dialect is ANTHROPIC:
        drip = dialect.bytes({"type": "ping"})
    steps = [step for _ in range(30) for step in (drip, fault_server.sleep(0.1))]
    fault_server.answers(fault_server.head(content_type=dialect.media) + dialect.said("Hello"), *steps)
    before, error = failing(gateway, ask(timeouts=QUICK))
    assert (before, type(error)) == ("Hello", TimedOut)


def test_f15_slow_but_steady_is_fine(dialect, gateway, fault_server):
    steps = [step for _ in range(6) for step in (dialect.bytes(dialect.text("a")), fault_server.sleep(0.1))]
    head = fault_server.head(content_type=dialect.media) + dialect.said()
    fault_server.answers(head, *steps, dialect.bytes(*dialect.end), fault_server.FIN)
    assert shown(list(gateway.stream(ask(timeouts=QUICK)))) == "aaaaaa"


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "text/event-stream", "application/json", ""])
def test_f18_a_page_instead_of_a_reply(gateway, fault_server, content_type):
    fault_server.answers(fault_server.whole(b"<html><title>Log in</title></html>", content_type=content_type))
    _, error = failing(gateway)
    assert isinstance(error, ProtocolBroken)
    assert "Log in" in error.why


@pytest.mark.parametrize("answer", ["empty", "204"])
def test_f18_nothing_instead_of_a_reply(dialect, gateway, fault_server, answer):
    empty = fault_server.whole(b"", content_type=dialect.media)
    fault_server.answers(empty if answer == "empty" else b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
    assert isinstance(failing(gateway)[1], ProtocolBroken)


def test_f19_what_is_no_json_in_the_middle(dialect, gateway, fault_server):
    broken = b"data: {nonsense\n\n" if dialect.media == "text/event-stream" else b"{nonsense\n"
    fault_server.answers(fault_server.chunked(dialect.said("Hello") + broken, dialect.media))
    before, error = failing(gateway)
    assert (before, type(error)) == ("Hello", ProtocolBroken)
    assert "nonsense" in error.why


def test_f19_a_line_without_end(dialect, gateway, fault_server):
    begun = fault_server.head(content_type=dialect.media) + dialect.said("Hello")
    fault_server.answers(begun, *[b"x" * 1_000_000] * 9)
    before, error = failing(gateway)
    assert (before, type(error)) == ("Hello", ProtocolBroken)


def test_damaged_bytes_are_a_reply_or_an_error_of_ours(dialect, gateway, fault_server):
    dice = random.Random(7)
    packed = gzip.compress(dialect.complete("Hel", "é"))
    answers = [
        fault_server.chunked(dialect.complete("Hel", "é"), dialect.media, size=9),
        fault_server.head(content_type=dialect.media) + dialect.said("a") + dialect.bytes(*dialect.call('{"at": "x"}')),
        fault_server.whole(dialect.whole("hi")),
        fault_server.whole(packed, content_type=dialect.media, Content_Encoding="gzip"),
        fault_server.whole(dialect.error("server_error", "x"), 500),
    ]
    for _ in range(150):
        answer = bytearray(dice.choice(answers))
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(len(answer))
            answer[at : at + dice.randrange(6)] = dice.choice([b"", b"\n\n", b"null", b"[{", b'"', b"\xff", b"99"])
        fault_server.scripts[:] = [[bytes(answer), fault_server.FIN]]
        try:
            assert isinstance(list(gateway.stream(ask(timeouts=QUICK)))[-1], DoneChunk)
        except GatewayError as error:
            assert error.what and error.where, bytes(answer)


@pytest.mark.parametrize("begun", [True, False])
def test_f38_stopping_hangs_up(dialect, gateway, fault_server, begun):
    head = fault_server.head(content_type=dialect.media) + dialect.said("Hello") if begun else b""
    fault_server.answers(head, fault_server.HANG)
    request = ask()
    threading.Timer(0.2, request.cancel.cancel).start()
    with pytest.raises(Cancelled):
        list(gateway.stream(request))
    assert fault_server.left.wait(5)


def test_closing_the_stream_hangs_up(dialect, gateway, fault_server):
    head = fault_server.head(content_type=dialect.media)
    fault_server.answers(head + dialect.said("Hello"), fault_server.HANG)
    stream = gateway.stream(ask())
    assert next(chunk for chunk in stream if isinstance(chunk, TextChunk)).text == "Hello"
    stream.close()
    assert fault_server.left.wait(5)


def test_the_key_is_in_no_error(dialect, gateway, fault_server):
    fault_server.answers(fault_server.whole(dialect.error("authentication_error", "no test-key-123 here"), 401))
    _, error = failing(gateway)
    assert "test-key-123" not in str(error)
    assert "test-key-123" not in repr(error)


def test_a_lone_surrogate_is_never_sent(gateway):
    encode = getattr(gateway, "encode", None) or import_module(type(gateway).__module__).encode
    body = encode(Request("m", (Message.user("a\ud800b"),), system="\udfff"))
    assert json.loads(body)
    assert "\ufffd" in body.decode()


def test_a_conversation_is_recorded_and_replayed(dialect, fault_server, tmp_path):
    (tmp_path / "agent.yaml").write_text(
        f"gateway: server\nmodel: m\ngateways: {{server: {{dialect: {dialect.name}, url: '{fault_server.url}'}}}}\n"
    )
    path = tmp_path / "case.transcript.yaml"
    path.write_text("transcript: 1\nagent: agent.yaml\nturns: [{id: t, user: hi}]\n")
    if dialect is OLLAMA:  # it asks first what the model can do
        fault_server.answers(fault_server.whole({"capabilities": ["completion", "tools"]}))
    fault_server.answers(fault_server.chunked(dialect.complete("Hello"), dialect.media))
    transcript = load_transcript(path)
    context = RunContext(offline=False, trust=True)
    recording = run_transcript(transcript, context).recording
    write_recording(transcript, recording, redactor_for(context.agent(transcript), transcript))
    transcript = load_transcript(path)
    outcome = replay_recording(transcript, transcript.recordings[0], RunContext())
    assert outcome.verdict == "pass"
    assert recording.turns["t"][0].text == "Hello"
