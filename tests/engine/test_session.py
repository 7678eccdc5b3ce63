"""A session under threads, streams left lying about, and readers that leave at any moment."""

from __future__ import annotations

import gc
import threading
import time

import pytest

from runner import Broker, ChatSession, tool
from runner.core.chunks import CallChunk, DoneChunk, TextChunk
from runner.core.errors import (
    ContentFiltered,
    ContextOverflowError,
    Denied,
    LimitReached,
    PromptTooLong,
    RateLimited,
    TimedOut,
)
from runner.core.events import Notice, Replied, TextDelta, ToolFinished, TurnEnded
from runner.core.messages import Usage
from runner.core.policy import ContextPolicy, Limits
from runner.gateways import Scripted
from runner.tools import Context


def finishes(chat: ChatSession) -> list[str]:
    return [message.finish for message in chat.messages]


def endless(request):
    while True:
        yield TextChunk("on and ")
        time.sleep(0.001)


def test_two_threads_each_get_the_answer_to_their_own_question(asked):
    def echo(request):
        time.sleep(0.001)
        yield TextChunk(request.messages[-1].text)
        yield DoneChunk()

    chat = ChatSession(Broker("m", asked(*[echo] * 60)))
    wrong: list[str] = []

    def ask(name: str) -> None:
        for number in range(20):
            question = f"{name}{number}"
            if (answer := chat.send_message(question)) != question:
                wrong.append(answer)

    threads = [threading.Thread(target=ask, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == [] and len(chat.messages) == 120
    assert [message.role for message in chat.messages] == ["user", "assistant"] * 60


def test_a_reader_that_leaves_with_the_whole_reply_leaves_it_in_the_history(asked):
    chat = ChatSession(Broker("m", asked("all of it", "next")))
    events = chat.send("go")
    for event in events:
        if isinstance(event, Replied):
            break
    events.close()
    assert [message.text for message in chat.messages] == ["go", "all of it"]
    assert chat.messages[-1].complete


def test_abort_from_another_thread_ends_the_stream_even_of_a_gateway_that_ignores_it(asked):
    for _ in range(30):
        chat = ChatSession(Broker("m", asked(endless, "next")))
        stream, handle = chat.send_stream("go")
        next(stream)
        threading.Timer(0.005, handle.abort).start()
        for _ in stream:
            pass
        assert handle.finish_reason == "cancelled"
        assert chat.send_message("now") == "next"
        assert finishes(chat) == ["", "cancelled", "", "stop"]


def test_a_stream_that_is_dropped_with_its_handle_frees_the_session(asked):
    gateway = asked(endless, "next")
    chat = ChatSession(Broker("m", gateway))
    stream, handle = chat.send_stream("go")
    next(stream)
    del stream, handle
    gc.collect()
    assert chat.send_message("now") == "next"
    assert gateway.closed == 2


def test_a_handle_outlives_its_stream_and_knows_usage_so_far(asked):
    @tool
    def look() -> str:
        """Look."""
        return "seen"

    first = [CallChunk(0, "c", "look", "{}"), DoneChunk(usage=Usage(5, 2))]
    chat = ChatSession(Broker("m", asked(first, endless)), tools=[look])
    stream, handle = chat.send_stream("go")
    next(stream)
    del stream
    assert handle.usage == Usage(5, 2) and [call.name for call in handle.tool_calls] == ["look"]
    assert handle.finalize(partial=True) is chat
    assert handle.finalize() is chat
    assert finishes(chat) == ["", "tool_calls", "", "cancelled"]


def test_an_interrupt_while_the_caller_holds_an_event_does_not_keep_the_turn_open(asked):
    def interrupted(request):
        yield TextChunk("half")
        raise KeyboardInterrupt

    chat = ChatSession(Broker("m", asked(interrupted, "next")))
    try:
        chat.send_message("go")
    except KeyboardInterrupt as kept:
        held = kept  # as an interpreter's last traceback holds it
    assert finishes(chat) == [] and held
    assert chat.send_message("now") == "next"


def test_reset_ends_the_open_stream_of_its_own_thread(asked):
    chat = ChatSession(Broker("m", asked(endless, "next")))
    stream, _ = chat.send_stream("go")
    next(stream)
    chat.reset()
    assert chat.messages == () and chat.send_message("now") == "next"


def test_a_filtered_reply_runs_no_tool_and_leaves_no_empty_message(asked):
    ran: list[int] = []

    @tool
    def act() -> str:
        """Act."""
        ran.append(1)
        return "done"

    call = [CallChunk(0, "c", "act", "{}"), DoneChunk("content_filter")]
    chat = ChatSession(Broker("m", asked([DoneChunk("content_filter")], call, "fine")), tools=[act])
    with pytest.raises(ContentFiltered):
        chat.send_message("one")
    assert chat.messages == ()
    with pytest.raises(ContentFiltered):
        list(chat.send("two"))
    assert ran == [] and chat.messages[-1].results[0].failed
    assert chat.send_message("three") == "fine"


def test_blanks_that_broke_off_are_no_message(asked):
    chat = ChatSession(Broker("m", asked([TextChunk(" \n")], "fine")))
    with pytest.raises(Exception, match="terminator"):
        chat.send_message("one")
    assert chat.messages == ()


def test_calls_that_broke_off_make_the_turn_incomplete(asked):
    chat = ChatSession(Broker("m", asked([CallChunk(0, "c", "act", "{}")])))
    events = []
    with pytest.raises(Exception, match="terminator"):
        for event in chat.send("one"):
            events.append(event)
    assert isinstance(events[-1], TurnEnded) and events[-1].reason == "incomplete"
    assert [event.kind for event in events if isinstance(event, Notice)] == ["incomplete"]


def test_a_prompt_found_too_long_is_shortened_for_good_once(asked):
    chat = ChatSession(
        Broker("m", asked(*["word " * 40] * 10, [PromptTooLong("too long")], "short enough", "again")),
        context=ContextPolicy(max_tokens=100_000),
    )
    for number in range(10):
        chat.send_message(f"question {number}")
    gateway = chat.broker.gateway
    whole = len("".join(message.text for message in chat.messages))
    kinds = [event.kind for event in chat.send("more") if isinstance(event, Notice)]
    assert set(kinds) == {"evicted"}
    refused, taken = gateway.requests[-2:]
    assert len("".join(message.text for message in taken.messages)) < whole * 0.85
    assert taken.messages[-1].text == "more" and len(refused.messages) == 21
    assert chat.send_message("and more") == "again"
    assert len(gateway.requests[-1].messages) <= len(taken.messages) + 2


def test_a_prompt_found_too_long_twice_or_with_nothing_to_leave_out_is_the_servers_error(asked):
    gateway = asked("a", [PromptTooLong("long")], [PromptTooLong("long")], [PromptTooLong("long")])
    chat = ChatSession(Broker("m", gateway))
    chat.send_message("one")
    with pytest.raises(PromptTooLong):
        chat.send_message("two")
    assert len(gateway.requests) == 3
    alone = ChatSession(Broker("m", asked([PromptTooLong("long")])))
    with pytest.raises(PromptTooLong):
        alone.send_message("one")


def test_a_prompt_found_too_long_after_output_is_not_asked_again(asked):
    gateway = asked("a", [TextChunk("half"), PromptTooLong("long")], "never")
    chat = ChatSession(Broker("m", gateway))
    chat.send_message("one")
    with pytest.raises(PromptTooLong):
        list(chat.send("two"))
    assert finishes(chat)[-1] == "incomplete" and len(gateway.requests) == 2


def test_overflow_error_is_about_the_message_and_the_session_lives(asked):
    chat = ChatSession(Broker("m", asked("fine")), context=ContextPolicy(max_tokens=300, reserve=100))
    with pytest.raises(ContextOverflowError, match="newest message"):
        chat.send_message("word " * 2000)
    assert chat.messages == () and chat.send_message("short") == "fine"


def test_a_forced_tool_is_forced_once_a_turn(asked):
    @tool
    def look() -> str:
        """Look."""
        return "seen"

    call = [CallChunk(0, "c", "look", "{}"), DoneChunk()]
    gateway = asked(call, "done", call, "done")
    chat = ChatSession(Broker("m", gateway), tools=[look], tool_choice="look")
    chat.send_message("one")
    chat.send_message("two")
    assert [request.tool_choice for request in gateway.requests] == ["look", "auto", "look", "auto"]
    never = asked("done")
    ChatSession(Broker("m", never), tools=[look], tool_choice="none").send_message("one")
    assert never.requests[0].tool_choice == "none"


def test_the_turns_seconds_bound_calls_tools_and_retries_together(asked):
    stopped: list[float] = []

    @tool
    def hang() -> str:
        """Hang."""
        time.sleep(30)
        return "never"

    def slow(request):
        stopped.append(request.seconds)
        time.sleep(request.seconds)
        raise TimedOut("the call took too long in all")
        yield

    started = time.monotonic()
    chat = ChatSession(Broker("m", asked(*[slow] * 9)), limits=Limits(seconds=0.3))
    with pytest.raises(LimitReached) as reached:
        chat.send_message("go")
    assert reached.value.where == "limits.seconds" and len(stopped) == 1
    call = [CallChunk(0, "c", "hang", "{}"), DoneChunk()]
    chat = ChatSession(Broker("m", asked(call)), tools=[hang], limits=Limits(seconds=0.3))
    events = []
    with pytest.raises(LimitReached):
        for event in chat.send("go"):
            events.append(event)
    assert next(event.result.failed for event in events if isinstance(event, ToolFinished))
    assert isinstance(events[-1], TurnEnded) and events[-1].reason == "seconds"
    assert time.monotonic() - started < 15


def test_a_late_tool_is_told_to_stop(asked):
    stopped = threading.Event()

    @tool
    def hang(context: Context) -> str:
        """Hang."""
        try:
            context.cancel.wait(30)
        finally:
            stopped.set()
        return "never"

    call = [CallChunk(0, "c", "hang", "{}"), DoneChunk()]
    chat = ChatSession(Broker("m", asked(call, "went on")), tools=[hang], limits=Limits(tool_seconds=0.1))
    assert chat.send_message("go") == "went on"
    assert stopped.wait(10)
    assert "timed out after 0.1 s" in chat.messages[2].results[0].output


def test_an_outage_after_a_refused_call_is_still_an_outage(asked):
    @tool
    def act() -> str:
        """Act."""
        return "done"

    call = [CallChunk(0, "c", "act", "{}"), DoneChunk()]
    chat = ChatSession(
        Broker("m", asked(call, [RateLimited("slow down", retry_after=999)])), tools=[act], permit=lambda call: "no"
    )
    with pytest.raises(RateLimited):
        chat.send_message("go")


def test_leaving_at_any_event_leaves_a_session_that_goes_on(asked):
    @tool
    def look(at: str) -> str:
        """Look."""
        return at

    def script():
        both = [{"look": {"at": "a"}}, {"look": {"at": "b"}}]
        return Scripted([{"text": "so ", "calls": both}, {"text": "done now"}, "next"])

    total = len(list(ChatSession(Broker("m", script()), tools=[look]).send("go")))
    for count in range(total):
        chat = ChatSession(Broker("m", script()), tools=[look])
        events = chat.send("go")
        for _ in range(count + 1):
            next(events)
        events.close()
        for message, after in zip(chat.messages, chat.messages[1:], strict=False):
            assert len(message.calls) == len(after.results)
        chat.broker.gateway.position = 2
        assert chat.send_message("now") == "next"


def test_text_arrives_before_the_gateway_goes_on(asked):
    reached: list[str] = []

    def watched(request):
        for word in "abc":
            yield TextChunk(word)
            reached.append(word)
        yield DoneChunk()

    events = ChatSession(Broker("m", asked(watched))).send("go")
    first = next(event for event in events if isinstance(event, TextDelta))
    assert first.text == "a" and reached == []
    events.close()


def test_a_limit_of_money_that_cannot_hold_is_told_once(asked):
    chat = ChatSession(Broker("m", asked("a", "b")), limits=Limits(cost_usd=1.0))
    told = [event.kind for text in "xy" for event in chat.send(text) if isinstance(event, Notice)]
    assert told == ["no_price"]


def test_a_handle_of_a_stream_that_failed_can_be_finalized(asked):
    def foreign(request):
        yield TextChunk("half")
        raise ValueError("of a gateway of somebody else")

    chat = ChatSession(Broker("m", asked(foreign, "next")))
    stream, handle = chat.send_stream("go")
    with pytest.raises(ValueError, match="somebody else"):
        list(stream)
    assert finishes(chat) == ["", "cancelled"]
    with pytest.raises(ValueError, match="somebody else"):
        handle.finalize()
    assert chat.messages == () and chat.send_message("now") == "next"


def test_the_user_is_told_of_an_empty_reply_in_words_for_people(asked):
    chat = ChatSession(Broker("m", asked([DoneChunk()], "here")))
    told = [event for event in chat.send("hi") if isinstance(event, Notice)]
    assert [event.kind for event in told] == ["empty"] and "Please answer" not in told[0].text


def test_a_model_that_insists_on_a_refused_call_ends_in_the_refusal_but_not_when_time_ran_out(asked):
    @tool
    def act() -> str:
        """Act."""
        return "done"

    call = [CallChunk(0, "c", "act", "{}"), DoneChunk(usage=Usage(9, 9))]
    with pytest.raises(Denied):
        ChatSession(Broker("m", asked(*[call] * 9)), tools=[act], permit=lambda call: "no").send_message("go")
    short = Limits(total_tokens=10)
    with pytest.raises(LimitReached):
        ChatSession(Broker("m", asked(call)), tools=[act], permit=lambda call: "no", limits=short).send_message("go")
