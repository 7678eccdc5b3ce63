"""Whatever is sent, called, cancelled, broken off or evicted: what a gateway is sent is always a valid conversation."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from runner import Broker, ChatSession, tool
from runner.core.chunks import Chunk
from runner.core.errors import AgentRunError
from runner.core.messages import Message
from runner.core.policy import ContextPolicy, Limits
from runner.gateways import Request, Scripted
from thoroughness import examples


@tool
def shout(text: str) -> str:
    """Say it loud."""
    return text.upper() * 3


class Strict(Scripted):
    """The scripted gateway behind a server that refuses a conversation with a pair torn apart."""

    def stream(self, request: Request) -> Iterator[Chunk]:
        hold(request.messages)
        return super().stream(request)


def hold(messages: tuple[Message, ...]) -> None:
    """What every strict server checks: it begins with the user, and calls and results come in whole pairs."""
    assert messages[0].role == "user"
    open_calls: list[str] = []
    for message in messages:
        if open_calls:
            assert message.role == "tool", "calls must be answered at once"
            assert [result.call_id for result in message.results] == open_calls
            open_calls = []
        else:
            assert message.role != "tool", "results without calls"
            open_calls = [call.id for call in message.calls]
        if message.role == "assistant":
            assert message.text.strip() or message.calls
    assert not open_calls


words = st.text("ab é😀\n", min_size=1, max_size=60)
finishes = st.sampled_from(["stop", "length", "incomplete", "content_filter"])
replies = st.one_of(
    st.builds(lambda text: {"text": text}, words),
    st.builds(lambda text: {"text": text, "finish": "incomplete"}, words),
    st.builds(lambda text: {"text": text, "finish": "length"}, words),
    st.builds(lambda text: {"error": {"status": 400, "message": text}}, words),
    st.builds(lambda text: {"text": text, "error": {"status": 500, "message": "x"}}, words),
    st.builds(
        lambda texts, finish: {"calls": [{"shout": {"text": text}} for text in texts], "finish": finish},
        st.lists(words, min_size=1, max_size=3),
        st.sampled_from(["tool_calls", "stop", "length", "incomplete", "content_filter"]),
    ),
    st.builds(lambda text, finish: {"text": text, "finish": finish}, st.sampled_from(["", " ", "\n", "no"]), finishes),
    st.just({"calls": [{"shout": '{"text": "cut'}, {"missing": {}}]}),
    st.just({"text": " "}),
)
acts = st.tuples(words, st.integers(0, 12) | st.none())


@settings(max_examples=examples(150), deadline=None)
@given(
    script=st.lists(replies, min_size=1, max_size=14), turns=st.lists(acts, max_size=8), window=st.integers(150, 900)
)
def test_the_conversation_sent_is_valid_at_every_request(script, turns, window):
    session = ChatSession(
        Broker("m", Strict(script), retry={"attempts": 1}),
        tools=[shout],
        context=ContextPolicy(max_tokens=window, reserve=50),
        limits=Limits(rounds=4),
    )
    for text, leave_after in turns:
        events = session.send(text)
        try:
            for count, _ in enumerate(events):
                if count == leave_after:
                    break
        except AgentRunError:
            pass
        finally:
            events.close()
        if session.messages:
            hold(session.messages)
