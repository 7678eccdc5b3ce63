"""The tutorial's promises that need no wit, against the real embedded model: in its own process, and as a server.

`gateway: local` starts llama.cpp in a child process; `openai`, `responses` and `anthropic` talk to llama.cpp as the
compatible server that users have.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from runner import Broker, ChatSession, Message
from runner.core.errors import ContextOverflowError, GatewayError, StreamIncomplete
from runner.core.events import Notice, TextDelta, TurnEnded
from runner.core.policy import ContextPolicy
from runner.gateways import Anthropic, Gateway, Local, OpenAI, Responses
from runner.tools import DateResolver

if TYPE_CHECKING:
    from tests.conftest import LlamaServer

SERVED = ("openai", "responses", "anthropic")
OPTIONS = {"temperature": 0, "max_tokens": 16}


@pytest.fixture(
    scope="module", params=["local", *(pytest.param(dialect, marks=pytest.mark.slow) for dialect in SERVED)]
)
def gateway(request: pytest.FixtureRequest, embedded_weights: str) -> Iterator[Gateway]:
    if request.param == "local":
        made: Gateway = Local()
    else:
        server: LlamaServer = request.getfixturevalue("llama_server")
        # The Anthropic dialect names its version in the path itself.
        kind, url = {
            "openai": (OpenAI, f"{server.url}/v1"),
            "responses": (Responses, f"{server.url}/v1"),
            "anthropic": (Anthropic, server.url),
        }[request.param]
        made = kind(url=url, key=server.key)
    yield made
    made.close()


@pytest.fixture
def broker(gateway: Gateway) -> Broker:
    return Broker("smollm2-135m", gateway, options=OPTIONS)


def test_one_off_generation(broker):
    assert broker.generate([Message.user("Say hello.")]).strip()


def test_several_turns_and_the_history_that_is_sent_grows(broker):
    session = ChatSession(broker, system_prompt="You are brief.")
    prompts = []
    for text in ("My name is Ada.", "I live in Turin.", "What is my name?"):
        ended = [event for event in session.send(text) if isinstance(event, TurnEnded)]
        prompts.append(ended[0].usage.input_tokens)
    assert [message.role for message in session.messages] == ["user", "assistant"] * 3
    assert all(message.text for message in session.messages)
    assert prompts == sorted(prompts) and prompts[0] < prompts[2]


def test_what_was_said_earlier_is_remembered(broker):
    session = ChatSession(broker, system_prompt="Answer in one short sentence.")
    session.send_message("My name is Ada.")
    assert "Ada" in session.send_message("What is my name?")


def test_a_stream_gives_the_text_in_pieces_and_the_handle_the_rest(broker):
    session = ChatSession(broker)
    stream, handle = session.send_stream("Count to five.")
    assert session.messages[-1].text == "Count to five."
    with pytest.raises(StreamIncomplete):
        handle.finalize()
    pieces = list(stream)
    assert len(pieces) > 3 and all(type(piece) is str for piece in pieces)
    assert handle.finalize() is session
    assert session.messages[-1].text == "".join(pieces) == handle.text
    assert handle.finish_reason in {"stop", "length"} and handle.usage.output_tokens > 3


def test_an_aborted_stream_is_kept_as_what_it_is_and_the_next_turn_works(broker):
    session = ChatSession(broker)
    stream, handle = session.send_stream("Tell me a story.")
    next(stream)
    handle.abort()
    assert session.messages[-1].finish == "cancelled"
    assert session.send_message("Say hello.")


def test_stopping_from_another_thread_ends_the_reply(broker):
    session = ChatSession(Broker(broker.model, broker.gateway, options={"max_tokens": 2000, "temperature": 0}))
    stream, handle = session.send_stream("Write a very long story about the sea.")
    next(stream)
    threading.Timer(0.2, handle.abort).start()
    for _ in stream:
        pass
    assert handle.finish_reason == "cancelled"


def test_one_turn_at_a_time_from_several_threads(broker):
    session = ChatSession(broker)
    threads = [threading.Thread(target=session.send_message, args=(f"Say {n}.",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [message.role for message in session.messages] == ["user", "assistant"] * 3


def test_the_whole_answer_in_one_piece_is_the_same_answer(broker):
    streamed = ChatSession(broker).send_message("Name a colour.")
    whole = ChatSession(broker, stream=False).send_message("Name a colour.")
    assert whole == streamed


def test_what_does_not_fit_the_window_is_said_before_anything_is_sent(broker):
    session = ChatSession(broker, context=ContextPolicy(max_tokens=256, reserve=64))
    with pytest.raises(ContextOverflowError):
        session.send_message("word " * 1000)
    assert session.messages == ()
    for n in range(4):
        session.send_message(f"Tell me something about the number {n}, please, in a whole sentence.")
    assert len(session.messages) == 8


def test_tools_are_declared_off_by_the_embedded_model_alone(broker):
    session = ChatSession(broker, tools=[DateResolver])
    events = list(session.send("Say hello."))
    assert any(isinstance(event, TextDelta) for event in events)
    off = any(isinstance(event, Notice) and event.kind == "tools_off" for event in events)
    assert off == (broker.gateway.name == "local")


def test_a_model_nobody_has_is_an_error_and_not_an_answer():
    with pytest.raises(GatewayError) as missing:
        Broker("no-such-model", Local).generate([Message.user("hi")])
    assert missing.value.fix
