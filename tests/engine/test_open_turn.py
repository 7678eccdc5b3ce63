"""What stays of a turn that fails or is stopped, and who may end it: any thread, by any way of leaving."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from runner import Broker, ChatSession, tool
from runner.core.chunks import CallChunk, DoneChunk, TextChunk
from runner.core.errors import (
    AgentRunError,
    GatewayError,
    LimitReached,
    SessionBusy,
    StreamIncomplete,
    TimedOut,
    TurnStopped,
)

CALL = [CallChunk(0, "c", "act", "{}"), DoneChunk()]


@tool
def act() -> str:
    """Act."""
    return "acted"


def endless(request: Any) -> Iterator[TextChunk]:
    while True:
        yield TextChunk("on and ")
        time.sleep(0.001)


def broken(error: BaseException) -> Callable[[Any], Iterator[TextChunk]]:
    def reply(request: Any) -> Iterator[TextChunk]:
        yield TextChunk("half")
        raise error

    return reply


def kept(chat: ChatSession) -> list[str]:
    """Of each message its finish, or else its role."""
    return [message.finish or message.role for message in chat.messages]


FAILURES = [GatewayError("gone"), KeyboardInterrupt(), ValueError("of somebody else"), SystemExit(3), MemoryError()]


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("earlier", [0, 2])
def test_a_message_that_raises_leaves_the_history_as_it_was(asked, error: BaseException, earlier: int) -> None:
    chat = ChatSession(Broker("m", asked(*["fine"] * earlier, broken(error), "next")))
    for _ in range(earlier):
        chat.send_message("hi")
    before = chat.messages
    with pytest.raises(type(error)):
        chat.send_message("go")
    assert chat.messages == before
    assert chat.send_message("again") == "next"
    assert [message.text for message in chat.broker.gateway.requests[-1].messages][-1] == "again"
    assert len(chat.broker.gateway.requests[-1].messages) == 2 * earlier + 1


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_a_failure_after_tools_ran_keeps_their_exchange_and_no_fragment(asked, error: BaseException) -> None:
    chat = ChatSession(Broker("m", asked(CALL, broken(error), "next")), tools=[act])
    with pytest.raises(type(error)):
        chat.send_message("go")
    assert kept(chat) == ["user", "tool_calls", "tool"]
    assert chat.messages[-1].results[0].output == "acted"
    assert chat.send_message("again") == "next"


def test_tools_that_were_stopped_while_they_ran_are_kept_as_interrupted(asked) -> None:
    @tool
    def hang() -> str:
        """Hang."""
        time.sleep(30)
        return "never"

    chat = ChatSession(Broker("m", asked([CallChunk(0, "c", "hang", "{}"), DoneChunk()], "next")), tools=[hang])
    threading.Timer(0.1, chat.close).start()
    with pytest.raises(TurnStopped):
        chat.send_message("go")
    assert kept(chat) == ["user", "tool_calls", "tool"]
    assert chat.messages[-1].results[0].failed and "interrupted" in chat.messages[-1].results[0].output


def test_a_call_that_was_only_refused_leaves_no_trace(asked) -> None:
    chat = ChatSession(Broker("m", asked(CALL, broken(GatewayError("gone")))), tools=[act], permit=lambda call: "no")
    with pytest.raises(GatewayError):
        chat.send_message("go")
    assert chat.messages == ()


def leave_by_break(stream: Any, handle: Any, chat: ChatSession) -> None:
    for _ in stream:
        break


def leave_by_closing(stream: Any, handle: Any, chat: ChatSession) -> None:
    with closing(stream):
        next(stream)


def leave_by_dropping(stream: Any, handle: Any, chat: ChatSession) -> None:
    next(stream)


def leave_unread(stream: Any, handle: Any, chat: ChatSession) -> None:
    """It was never read."""


def leave_the_session(stream: Any, handle: Any, chat: ChatSession) -> None:
    next(stream)
    with chat:
        pass


@pytest.mark.parametrize(
    "leave", [leave_by_break, leave_by_closing, leave_by_dropping, leave_unread, leave_the_session]
)
@pytest.mark.parametrize("thread_of_next", ["same", "other"])
def test_a_stream_that_is_left_frees_its_session(asked, leave: Callable[..., None], thread_of_next: str) -> None:
    chat = ChatSession(Broker("m", asked(*() if leave is leave_unread else [endless], "next")), busy_timeout=0)
    stream, handle = chat.send_stream("go")
    leave(stream, handle, chat)
    if leave is not leave_by_break:
        del stream  # the handle stays
        assert not chat._turn_slot.is_open
    elif thread_of_next == "other":
        return  # held and still readable: other threads wait for it
    answers: list[str] = []
    ask = threading.Thread(target=lambda: answers.append(chat.send_message("now")))
    if thread_of_next == "same":
        ask.run()
    else:
        ask.start()
        ask.join(10)
    assert answers == ["next"]
    assert kept(chat) == [*(() if leave is leave_unread else ("user", "cancelled")), "user", "stop"]


def test_a_stream_that_was_dropped_is_not_finalized_as_whole(asked) -> None:
    chat = ChatSession(Broker("m", asked(endless)))
    stream, handle = chat.send_stream("go")
    next(stream)
    del stream
    with pytest.raises(StreamIncomplete):
        handle.finalize()
    assert handle.finalize(partial=True) is chat is handle.finalize()
    assert kept(chat) == ["user", "cancelled"]


def test_a_stream_that_failed_is_taken_back_by_finalize_or_kept_in_part(asked) -> None:
    chat = ChatSession(Broker("m", asked(broken(GatewayError("gone")), broken(GatewayError("gone")), "next")))
    stream, handle = chat.send_stream("one")
    with pytest.raises(GatewayError):
        list(stream)
    for _ in range(2):
        with pytest.raises(GatewayError, match="gone"):
            handle.finalize()
    assert chat.messages == ()
    stream, handle = chat.send_stream("two")
    with pytest.raises(GatewayError):
        list(stream)
    assert handle.finalize(partial=True) is chat
    assert kept(chat) == ["user", "incomplete"]


def test_a_finalized_failure_takes_no_later_turn_back(asked) -> None:
    chat = ChatSession(Broker("m", asked(broken(GatewayError("gone")), "next")))
    stream, handle = chat.send_stream("one")
    with pytest.raises(GatewayError):
        list(stream)
    chat.send_message("two")
    before = chat.messages
    with pytest.raises(GatewayError):
        handle.finalize()
    assert chat.messages == before and kept(chat) == ["user", "incomplete", "user", "stop"]


def test_a_turn_that_moves_between_threads_is_ended_from_any_of_them(asked) -> None:
    """As the streaming response of a web framework, whose pool reads each piece in another thread."""
    chat = ChatSession(Broker("m", asked(endless, "next")), busy_timeout=5)
    stream, _ = chat.send_stream("go")
    for _ in range(5):
        reader = threading.Thread(target=next, args=(stream,))
        reader.start()
        reader.join(10)
    waiting: list[str] = []
    ask = threading.Thread(target=lambda: waiting.append(chat.send_message("now")))
    ask.start()
    time.sleep(0.05)
    assert waiting == []
    del stream
    ask.join(10)
    assert waiting == ["next"]


def test_another_thread_waits_for_busy_timeout_seconds_and_then_is_told(asked) -> None:
    chat = ChatSession(Broker("m", asked(endless)), busy_timeout=0.05)
    stream, handle = chat.send_stream("go")
    next(stream)
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            chat.send_message("now")
        except AgentRunError as error:
            errors.append(error)

    other = threading.Thread(target=ask)
    other.start()
    other.join(10)
    assert [type(error) for error in errors] == [SessionBusy]
    assert "0.05 s" in errors[0].why  # type: ignore[attr-defined]
    handle.abort()


def test_a_tool_that_asks_its_own_session_is_told_and_the_turn_goes_on(asked) -> None:
    @tool
    def ask_again() -> str:
        """Ask the session itself."""
        return chat.send_message("from within")

    ask_again.inline = True
    call = [CallChunk(0, "c", "ask_again", "{}"), DoneChunk()]
    chat = ChatSession(Broker("m", asked(call, "went on")), tools=[ask_again])
    assert chat.send_message("go") == "went on"
    assert "from within its own turn" in chat.messages[2].results[0].output


def test_a_message_has_its_own_seconds(asked) -> None:
    def slow(request: Any) -> Iterator[TextChunk]:
        time.sleep(request.seconds)
        raise TimedOut("the call took too long in all")
        yield

    chat = ChatSession(Broker("m", asked(*[slow] * 5, "fine")))
    with pytest.raises(LimitReached, match=r"0\.2 s") as reached:
        chat.send_message("go", timeout=0.2)
    assert reached.value.where == "timeout" and chat.messages == ()


def test_a_turn_that_is_stopped_from_elsewhere_is_no_answer(asked) -> None:
    chat = ChatSession(Broker("m", asked(endless)))
    threading.Timer(0.05, chat.close).start()
    with pytest.raises(TurnStopped):
        chat.send_message("go")
    assert chat.messages == ()
