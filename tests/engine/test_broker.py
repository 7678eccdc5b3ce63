"""Retry and fallback: only before the first chunk, never beyond what the user allows, and told."""

from __future__ import annotations

import threading

import pytest

from runner import Broker, ChatSession
from runner.core.cancel import Cancel
from runner.core.chunks import DoneChunk, TextChunk
from runner.core.errors import KeyRefused, RateLimited, Rejected, ServerFailed, Unreachable, UsageError
from runner.core.events import Notice, TurnEnded
from runner.core.messages import Message


def told(chat: ChatSession, text: str = "hi") -> list[str]:
    return [event.kind for event in chat.send(text) if isinstance(event, Notice)]


def test_a_failing_server_is_asked_as_often_as_allowed_then_the_next_then_the_error(asked):
    def broken(request):
        raise ServerFailed("broken", retry_after=0)
        yield

    first, second = asked(*[broken] * 3), asked("fine", name="second")
    chat = ChatSession(Broker("m", first, fallback=[{"gateway": second, "model": "n"}]))
    assert told(chat) == ["retry", "retry", "fallback"]
    assert (chat.broker.model, len(first.requests)) == ("n", 3)
    alone = Broker("m", asked(*[broken] * 3), retry={"attempts": 2})
    with pytest.raises(ServerFailed, match="broken") as failed:
        alone.generate([Message.user("hi")])
    assert failed.value.why == "(tried 2 times)"


def test_a_server_that_is_not_there_is_left_at_once_for_another(asked):
    gone = asked([Unreachable("gone")])
    chat = ChatSession(Broker("m", gone, fallback=[{"gateway": asked("fine"), "model": "n"}]))
    assert told(chat) == ["fallback"]


@pytest.mark.parametrize("wait", [-1.0, 0.0, float("nan")])
def test_waits_that_make_no_sense_are_no_wait(asked, wait):
    chat = ChatSession(Broker("m", asked([RateLimited("slow", retry_after=wait)], "fine")))
    assert told(chat) == ["retry"]


@pytest.mark.parametrize("wait", [121.0, 86_400.0, 274_579_000.0, 1e300, float("inf")])
def test_a_wait_beyond_the_allowed_fails_now_and_says_when(asked, wait):
    with pytest.raises(RateLimited, match="slow") as failed:
        Broker("m", asked([RateLimited("slow", retry_after=wait)])).generate([Message.user("hi")])
    assert "wait until 2" in failed.value.why and "retry.max_wait" in failed.value.fix


@pytest.mark.parametrize("error", [KeyRefused("no"), Rejected("no")])
def test_what_asking_again_cannot_mend_is_asked_once(asked, error):
    gateway = asked([error])
    with pytest.raises(type(error)):
        Broker("m", gateway).generate([Message.user("hi")])
    assert len(gateway.requests) == 1


def test_nothing_is_asked_again_once_a_chunk_has_gone_out(asked):
    first, second = asked([TextChunk("half"), ServerFailed("broken", retry_after=0)]), asked("never")
    with pytest.raises(ServerFailed):
        Broker("m", first, fallback=[{"gateway": second, "model": "n"}]).generate([Message.user("hi")])
    assert len(first.requests) == 1 and second.requests == []


def test_a_wait_ends_when_the_turn_is_cancelled(asked):
    cancel, events = Cancel(), []
    for event in ChatSession(Broker("m", asked([RateLimited("slow", retry_after=60)]))).send("hi", cancel=cancel):
        events.append(event)
        if isinstance(event, Notice):
            threading.Timer(0.05, cancel.cancel).start()
    assert isinstance(events[-1], TurnEnded) and events[-1].reason == "cancelled"


def test_sessions_that_share_a_broker_fall_back_to_the_same_route_together(asked):
    both = threading.Barrier(2)

    def gone(request):
        both.wait(10)
        raise Unreachable("gone")
        yield DoneChunk()

    broker = Broker("m", asked(gone, gone), fallback=[{"gateway": asked("a", "b"), "model": "n"}])
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda: answers.append(ChatSession(broker).send_message("hi"))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(answers) == ["a", "b"] and broker.model == "n"


def test_what_is_no_gateway_is_refused_with_words(asked):
    with pytest.raises(UsageError, match="is not a gateway"):
        Broker("m", object())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "given",
    [{"retry": {"attemps": 3}}, {"timeouts": {"first": 3}}, {"fallback": [{"model": "n"}]}, {"retry": 3}],
)
def test_policies_of_another_shape_are_refused_with_words(asked, given):
    with pytest.raises(UsageError):
        Broker("m", asked(), **given)


def test_one_text_is_a_question_of_its_own(asked):
    gateway = asked("fine")
    assert Broker("m", gateway).generate("hi") == "fine"
    assert [message.text for message in gateway.requests[0].messages] == ["hi"]


def test_an_option_that_nothing_would_send_is_refused(asked):
    with pytest.raises(UsageError, match="temprature"):
        Broker("m", asked(), options={"temprature": 0})
    with pytest.raises(UsageError, match="topp"):
        Broker("m", asked(), fallback=[{"gateway": asked(), "model": "n", "options": {"topp": 1}}])
    assert Broker("m", asked(), options={"seed": 1, "extra": {"mirostat": 2}}).route.options["seed"] == 1


def test_each_route_is_asked_through_what_wraps_it(asked):
    gone, second = asked([Unreachable("gone")]), asked("fine", name="second")
    wrapped = []

    def wrap(route):
        wrapped.append((str(route), route.gateway))
        return route.gateway if route.gateway is gone else asked("wrapped", name="second")

    broker = Broker("m", gone, fallback=[{"gateway": second, "model": "n"}], wrap=wrap)
    assert broker.generate("hi") == "wrapped"
    assert wrapped == [("asked/m", gone), ("second/n", second)]
    assert (len(gone.requests), len(second.requests)) == (1, 0)
