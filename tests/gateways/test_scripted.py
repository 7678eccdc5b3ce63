"""The scripted gateway: one entry a reply, in order, with the faults and the pace that the script asks for."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.cancel import Cancelled
from runner.core.chunks import Assembly, CallChunk, DoneChunk, TextChunk, ThinkingChunk
from runner.core.errors import (
    GatewayError,
    IncompleteReply,
    KeyRefused,
    RateLimited,
    Rejected,
    ServerFailed,
    Unreachable,
)
from runner.core.messages import Message, Usage
from runner.gateways import Capabilities, Gateway, Request, Scripted
from thoroughness import examples


def ask(**fields):
    return Request("parrot", (Message.user("hello"),), **fields)


def message(gateway, **fields):
    assembly = Assembly()
    for chunk in gateway.stream(ask(**fields)):
        assembly.add(chunk)
    return assembly.message()


def test_is_a_gateway():
    assert isinstance(Scripted(), Gateway)
    assert Scripted(capabilities=Capabilities(tools=False)).capabilities("any").tools is False


def test_entries_answer_in_order_and_a_string_is_a_text():
    gateway = Scripted([{"text": "one"}, "two"])
    assert [message(gateway).text, message(gateway).text] == ["one", "two"]
    assert gateway.position == 2


def test_text_arrives_word_by_word():
    chunks = list(Scripted([{"text": " Hello,  big\nworld \n"}]).stream(ask()))
    assert chunks[:-1] == [TextChunk(" Hello,"), TextChunk("  big"), TextChunk("\nworld"), TextChunk(" \n")]
    assert chunks[-1] == DoneChunk("stop", "stop", None, "parrot")


def test_one_piece_where_no_stream_is_wanted():
    chunks = list(Scripted([{"chunks": ["a b", " c"]}]).stream(ask(stream=False)))
    assert chunks[0] == TextChunk("a b c")
    assert isinstance(chunks[1], DoneChunk)


@pytest.mark.parametrize(
    ("entry", "pieces"),
    [
        ({"chunks": ["Hel", "", "lo"]}, ["Hel", "lo"]),
        ({"text": "Hello you", "chunks": [2, 3]}, ["He", "llo", " you"]),
        ({"text": "Hi", "chunks": [1, 40]}, ["H", "i"]),
        ({"text": "", "chunks": []}, []),
    ],
)
def test_chunks_are_pieces_or_lengths(entry, pieces):
    assert [each.text for each in Scripted([entry]).stream(ask()) if isinstance(each, TextChunk)] == pieces


def test_a_reply_may_think_speak_and_call():
    entry = {
        "thinking": "Two dates.",
        "text": "Let me see.",
        "calls": [{"resolve_date": {"date": "tomorrow", "days": 3}}, {"lookup": '{"broken": '}],
        "usage": {"input": 12, "output": 5, "cached": 3},
    }
    chunks = list(Scripted([entry]).stream(ask()))
    assert chunks[0] == ThinkingChunk("Two dates.")
    assert [each for each in chunks if isinstance(each, CallChunk)] == [
        CallChunk(0, "call_1_1", "resolve_date", {"date": "tomorrow", "days": 3}),
        CallChunk(1, "call_1_2", "lookup", '{"broken": '),
    ]
    assert chunks[-1] == DoneChunk("tool_calls", "tool_calls", Usage(12, 5, cached_tokens=3), "parrot")
    reply = message(Scripted([entry]))
    assert reply.calls[0].arguments == {"date": "tomorrow", "days": 3}
    assert reply.calls[1].arguments is None


def test_finish_is_the_script_s_own():
    assert message(Scripted([{"text": "cut", "finish": "length"}])).finish == "length"


def test_an_incomplete_reply_gives_its_text_and_no_terminator():
    stream = Scripted([{"text": "half an", "finish": "incomplete"}]).stream(ask())
    assert [next(stream), next(stream)] == [TextChunk("half"), TextChunk(" an")]
    with pytest.raises(IncompleteReply):
        next(stream)


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (429, RateLimited, True),
        (503, ServerFailed, True),
        (529, ServerFailed, True),
        (401, KeyRefused, False),
        (400, Rejected, False),
    ],
)
def test_an_error_is_the_wire_s_own(status, kind, retryable):
    gateway = Scripted([{"error": {"status": status, "message": "not today"}}, {"text": "now"}])
    with pytest.raises(kind) as error_from_server:
        message(gateway)
    assert error_from_server.value.status == status
    assert error_from_server.value.retryable is retryable
    assert "not today" in error_from_server.value.why
    assert "entry 1 of 2" in error_from_server.value.where
    assert message(gateway).text == "now"


def test_an_error_names_its_wait_and_may_come_after_text():
    stream = Scripted([{"text": "so", "error": {"status": 429, "retry_after": 2}}]).stream(ask())
    assert next(stream) == TextChunk("so")
    with pytest.raises(RateLimited) as error_from_server:
        next(stream)
    assert error_from_server.value.retry_after == 2


def test_an_error_without_status_is_a_broken_connection():
    with pytest.raises(Unreachable):
        message(Scripted([{"error": {}}]))


def test_past_the_end_is_a_clear_error_that_no_retry_can_mend():
    gateway = Scripted([{"text": "only"}])
    message(gateway)
    with pytest.raises(GatewayError) as error_from_server:
        message(gateway)
    assert not error_from_server.value.retryable
    assert not error_from_server.value.falls_back
    assert "1 entry in all; reply 2" in error_from_server.value.why


def test_a_resumed_script_goes_on_where_it_was():
    script = [{"text": "one"}, {"error": {"status": 500}}, {"text": "three"}]
    first = Scripted(script)
    message(first)
    with pytest.raises(ServerFailed):
        message(first)
    assert message(Scripted(script, position=first.position)).text == "three"


def test_a_delay_ends_at_once_when_somebody_cancels():
    request = ask()
    stream = Scripted([{"text": "slow", "delay": 60}]).stream(request)
    threading.Timer(0.05, request.cancel.cancel).start()
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        next(stream)
    assert time.monotonic() - begun < 30


def test_a_delay_stands_before_every_piece():
    begun = time.monotonic()
    assert message(Scripted([{"chunks": ["a", "b", "c"], "delay": 0.01}])).text == "abc"
    assert time.monotonic() - begun >= 0.03


@settings(max_examples=examples(60))
@given(st.text(max_size=60), st.lists(st.integers(1, 9), max_size=12))
def test_however_a_text_is_cut_it_is_the_same_text(text, lengths):
    for entry in ({"text": text}, {"text": text, "chunks": lengths}, {"chunks": list(text)}):
        pieces = [each.text for each in Scripted([entry]).stream(ask()) if isinstance(each, TextChunk)]
        assert "".join(pieces) == text
        assert all(pieces)
