"""The turn loop against scripted replies: what is recorded, what is run, what stops it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runner import Broker, ChatSession, tool
from runner.core.chunks import CallChunk, Chunk, DoneChunk, TextChunk
from runner.core.errors import EmptyReply, GatewayError, IncompleteReply, LimitReached, ReplyInvalid
from runner.core.events import Notice, Replied, TextDelta, ToolFinished, ToolStarted, TurnEnded
from runner.core.messages import Message
from runner.core.policy import ContextPolicy, Limits
from runner.gateways import Capabilities, Request, Scripted


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
def boom() -> str:
    """Fail."""
    raise ValueError("no luck")


def session(script: list, **options) -> ChatSession:
    return ChatSession(Broker("demo", Scripted(script), retry=options.pop("retry", None)), **options)


def roles(chat: ChatSession) -> list[str]:
    return [message.role for message in chat.messages]


class Heard:
    """A gateway that remembers what it was asked, and answers from a list of chunk lists."""

    name = "heard"
    where = "here"

    def __init__(self, *replies: list[Chunk], capabilities: Capabilities | None = None) -> None:
        self.replies = list(replies)
        self.requests: list[Request] = []
        self._capabilities = capabilities or Capabilities()

    def capabilities(self, model: str) -> Capabilities:
        return self._capabilities

    def stream(self, request: Request) -> Iterator[Chunk]:
        self.requests.append(request)
        yield from self.replies.pop(0)

    def close(self) -> None: ...


def said(text: str) -> list[Chunk]:
    return [TextChunk(text), DoneChunk()]


def test_calls_run_and_their_results_come_back_in_call_order():
    chat = session(
        [{"calls": [{"add": {"a": 1, "b": 2}}, {"boom": {}}, {"add": {"a": 3, "b": 4}}]}, {"text": "done"}],
        tools=[add, boom],
    )
    events = list(chat.send("go"))
    assert [type(event) for event in events if isinstance(event, ToolStarted)] == [ToolStarted] * 3
    assert {event.result.name for event in events if isinstance(event, ToolFinished)} == {"add", "boom"}
    results = chat.messages[2].results
    assert next((result.output, result.failed) for result in results) == (3, False)
    assert results[1].failed and "no luck" in results[1].output
    assert results[2].output == 7
    assert roles(chat) == ["user", "assistant", "tool", "assistant"]
    assert isinstance(events[-1], TurnEnded) and events[-1].reason == "answered"


def test_calls_with_finish_stop_run_too():
    gateway = Heard([CallChunk(0, "c1", "add", '{"a": 1, "b": 1}'), DoneChunk("stop")], said("2"))
    chat = ChatSession(Broker("m", gateway), tools=[add])
    assert chat.send_message("1 + 1?") == "2"
    assert gateway.requests[1].messages[-1].results[0].output == 2


def test_arguments_cut_by_length_never_run():
    ran = []

    @tool
    def save(path: str) -> str:
        """Save."""
        ran.append(path)
        return path

    cut: list[Chunk] = [CallChunk(0, "c1", "save", '{"path": "/a"}'), DoneChunk("length")]
    gateway = Heard(cut, said("I could not"))
    chat = ChatSession(Broker("m", gateway), tools=[save])
    assert chat.send_message("save") == "I could not"
    assert ran == []
    assert "cut off" in chat.messages[2].results[0].output
    with pytest.raises(LimitReached):
        ChatSession(Broker("m", Heard(cut, cut, cut)), tools=[save]).send_message("save")
    assert ran == []


def test_a_reply_without_terminator_is_kept_marked_and_raises():
    chat = session([{"text": "Half an", "finish": "incomplete"}, {"text": "whole"}])
    seen = []
    with pytest.raises(IncompleteReply):
        for event in chat.send("tell"):
            seen.append(event)
    assert isinstance(seen[-1], TurnEnded) and seen[-1].reason == "incomplete"
    assert any(isinstance(event, Notice) and event.kind == "incomplete" for event in seen)
    assert chat.messages[-1].text == "Half an" and not chat.messages[-1].complete
    assert chat.send_message("go on") == "whole"


def test_a_failure_before_any_word_leaves_no_trace():
    chat = session([{"error": {"status": 400, "message": "no"}}, {"text": "fine"}])
    with pytest.raises(GatewayError):
        chat.send_message("hello")
    assert chat.messages == ()
    assert chat.send_message("hello") == "fine"
    assert roles(chat) == ["user", "assistant"]


def test_a_failure_in_a_tool_loop_keeps_the_exchange_and_the_session():
    chat = session(
        [{"calls": [{"add": {"a": 1, "b": 1}}]}, {"error": {"status": 400, "message": "no"}}, {"text": "two"}],
        tools=[add],
    )
    with pytest.raises(GatewayError):
        chat.send_message("1 + 1")
    assert roles(chat) == ["user", "assistant", "tool"]
    assert chat.send_message("well?") == "two"


def test_retries_happen_only_before_output():
    chat = session([{"error": {"status": 503, "message": "busy", "retry_after": 0}}, {"text": "ok"}])
    events = list(chat.send("hi"))
    assert [event.kind for event in events if isinstance(event, Notice)] == ["retry"]
    broken = session(
        [{"text": "partial", "error": {"status": 503, "message": "busy", "retry_after": 0}}, {"text": "ok"}]
    )
    with pytest.raises(GatewayError):
        broken.send_message("hi")
    assert broken.messages == () and broken.send_message("again") == "ok"


def test_a_wait_beyond_the_limit_fails_at_once_and_says_when():
    chat = session([{"error": {"status": 429, "retry_after": 86_400}}, {"text": "ok"}])
    with pytest.raises(GatewayError) as failed:
        chat.send_message("hi")
    assert "wait until" in failed.value.why and "retry.max_wait" in failed.value.fix


def test_fallback_is_told_once_and_stays():
    broker = Broker(
        "first",
        Scripted([{"error": {"status": 404, "message": "no such model"}}]),
        fallback=[{"gateway": Scripted([{"text": "a"}, {"text": "b"}]), "model": "second"}],
    )
    chat = ChatSession(broker)
    events = list(chat.send("hi"))
    assert [event.kind for event in events if isinstance(event, Notice)] == ["fallback"]
    assert broker.model == "second"
    assert chat.send_message("again") == "b"


def test_an_empty_reply_is_nudged_once_and_the_nudge_is_forgotten():
    gateway = Heard([DoneChunk()], said("here"))
    chat = ChatSession(Broker("m", gateway))
    assert chat.send_message("hi") == "here"
    assert roles(chat) == ["user", "assistant"]
    assert len(gateway.requests[1].messages) == 2
    with pytest.raises(EmptyReply):
        ChatSession(Broker("m", Heard([DoneChunk()], [TextChunk("  "), DoneChunk()]))).send_message("hi")


def test_the_same_call_three_times_with_the_same_result_stops_the_turn():
    call = {"calls": [{"add": {"a": 1, "b": 1}}]}
    chat = session([call, call, call, {"text": "never"}], tools=[add])
    with pytest.raises(LimitReached, match="3 times"):
        chat.send_message("go")
    assert roles(chat) == ["user", "assistant", "tool", "assistant", "tool", "assistant", "tool"]
    assert chat.send_message("go on") == "never"


@pytest.mark.parametrize(
    ("limits", "reason"),
    [(Limits(rounds=2), "rounds"), (Limits(total_tokens=10), "total_tokens"), (Limits(seconds=0), "seconds")],
)
def test_limits_stop_the_turn_and_name_their_key(limits, reason):
    script = [{"calls": [{"add": {"a": n, "b": 1}}], "usage": {"input": 8, "output": 8}} for n in range(5)]
    events = []
    with pytest.raises(LimitReached) as stopped:
        for event in session(script, tools=[add], limits=limits).send("go"):
            events.append(event)
    assert stopped.value.where == f"limits.{reason}"
    assert isinstance(events[-1], TurnEnded) and events[-1].reason == reason


def test_structured_replies_are_asked_again_with_the_error():
    schema = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
    gateway = Heard(said("not json"), said('{"n": "x"}'), said('```json\n{"n": 3}\n```'))
    broker = Broker("m", gateway)
    assert broker.generate([Message.user("n?")], schema=schema) == {"n": 3}
    assert "not JSON" in gateway.requests[1].messages[-1].text
    assert "JSON Schema" in gateway.requests[0].system
    with pytest.raises(ReplyInvalid):
        Broker("m", Heard(*[said("no")] * 3)).generate([Message.user("n?")], schema=schema)


def test_generate_runs_tools_without_a_session():
    broker = Broker("m", Scripted([{"calls": [{"add": {"a": 2, "b": 2}}]}, {"text": "4"}]))
    assert broker.generate([Message.system("Add."), Message.user("2 + 2")], tools=[add]) == "4"


def test_tools_are_off_where_the_model_cannot_call_them():
    gateway = Heard(said("a"), said("b"), capabilities=Capabilities(tools=False))
    chat = ChatSession(Broker("m", gateway), tools=[add])
    kinds = [event.kind for text in "xy" for event in chat.send(text) if isinstance(event, Notice)]
    assert kinds == ["tools_off"]
    assert all(request.tools == () for request in gateway.requests)


def test_old_turns_are_evicted_visibly_and_the_newest_message_never():
    gateway = Heard(*[said(f"answer {n} " + "word " * 50) for n in range(20)])
    chat = ChatSession(Broker("m", gateway), context=ContextPolicy(max_tokens=400, reserve=100))
    kinds = [event.kind for n in range(20) for event in chat.send(f"question {n}") if isinstance(event, Notice)]
    assert "evicted" in kinds
    last = gateway.requests[-1]
    assert last.messages[0].role == "user" and last.messages[-1].text == "question 19"
    assert len(last.messages) < len(chat.messages)
    assert len(chat.messages) == 40


def test_a_second_turn_in_the_same_thread_ends_the_open_stream_first():
    chat = session([{"text": "one two three"}, {"text": "next"}])
    stream, handle = chat.send_stream("go")
    assert next(stream)
    assert chat.send_message("me too") == "next"
    assert [message.finish for message in chat.messages] == ["", "cancelled", "", "stop"]
    assert list(stream) == []
    assert handle.finalize(partial=True) is chat


def test_replied_carries_text_finish_and_usage():
    chat = session([{"text": "hi", "usage": {"input": 5, "output": 1}}])
    replied = next(event for event in chat.send("x") if isinstance(event, Replied))
    assert (replied.text, replied.finish_reason, replied.usage.input_tokens) == ("hi", "stop", 5)
    assert chat.usage.total_tokens == 6


def test_closing_the_events_early_keeps_what_was_said_as_cancelled():
    chat = session([{"text": "a b c d"}, {"text": "next"}])
    events = chat.send("go")
    for event in events:
        if isinstance(event, TextDelta):
            break
    events.close()
    assert [message.finish for message in chat.messages] == ["", "cancelled"]
    assert chat.send_message("again") == "next"
