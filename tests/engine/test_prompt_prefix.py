"""A prompt's beginning stays as it was for the last one, so that a server can read it from its cache."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, takewhile

import pytest

from runner import Broker, ChatSession, tool
from runner.core.chunks import CallChunk, DoneChunk, TextChunk
from runner.core.policy import ContextPolicy
from runner.core.tokens import estimate, estimate_message
from runner.gateways import Request

SYSTEM = "You are a patient assistant. " * 20
TURNS = 200


@tool
def look(page: int) -> str:
    """Look a page up."""
    return f"page {page}: " + "line " * 60


def answer(request: Request, words: int) -> Iterator[TextChunk | DoneChunk]:
    yield TextChunk("word " * words)
    yield DoneChunk()


def unchanged_share(requests: list[Request]) -> float:
    """How many of the prompts' tokens lie before the first difference to the prompt before."""
    same = total = 0
    for before, now in pairwise(requests):
        pairs = zip(before.messages, now.messages, strict=False)
        kept = [first for first, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)]
        assert (before.system, before.tools) == (now.system, now.tools)
        same += estimate(now.system) + sum(map(estimate_message, kept))
        total += estimate(now.system) + sum(map(estimate_message, now.messages))
    return same / total


@pytest.mark.parametrize("window", [4096, 8192, 32_768])
@pytest.mark.parametrize("sizes", [(60,), (10, 40, 80, 200)], ids=["alike", "varied"])
def test_a_full_window_keeps_most_of_each_prompt_as_it_was(asked, window: int, sizes: tuple[int, ...]) -> None:
    size = window // 8192 or 1
    replies = [lambda request, n=n: answer(request, size * sizes[n % len(sizes)]) for n in range(TURNS)]
    gateway = asked(*replies)
    chat = ChatSession(Broker("m", gateway), SYSTEM, context=ContextPolicy(max_tokens=window))
    for number in range(TURNS):
        chat.send_message(f"question {number}: " + "why " * 20 * size)
    full = gateway.requests[TURNS // 2 :]
    assert len(full[0].messages) < TURNS, "the window was never full"
    assert unchanged_share(full) >= 0.9


def test_a_turn_of_many_rounds_keeps_most_of_each_prompt_too(asked) -> None:
    rounds = [[CallChunk(0, f"c{n}", "look", f'{{"page": {n}}}'), DoneChunk()] for n in range(24)]
    gateway = asked(*rounds, "done")
    chat = ChatSession(Broker("m", gateway), SYSTEM, tools=[look], context=ContextPolicy(max_tokens=2048))
    chat.send_message("read it all")
    assert len(gateway.requests[-1].messages) < 2 * len(rounds), "the window was never full"
    assert unchanged_share(gateway.requests) >= 0.6
