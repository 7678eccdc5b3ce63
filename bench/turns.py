"""What a long conversation costs: CPU and memory of turn 200 against turn 2, and of a round of tools."""

from __future__ import annotations

import time
import tracemalloc
from statistics import median

import httpx

from bench.measure import against, tell
from bench.server import running
from bench.streaming import bare
from runner import Broker, ChatSession, tool
from runner.core.policy import ContextPolicy
from runner.gateways import OpenAI, Scripted

TURNS = 200


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def growth(url: str) -> tuple[float, float]:
    """CPU seconds of a turn near the beginning and near turn 200, medians of ten each."""
    session = ChatSession(Broker("m", OpenAI(url=f"{url}/v1")), context=ContextPolicy(max_tokens=10_000_000))
    spent = []
    for number in range(TURNS):
        started = time.process_time()
        session.send_message(f"question {number} about something")
        spent.append(time.process_time() - started)
    return median(spent[1:11]), median(spent[-10:])


def memory(pieces: int = 10_000) -> float:
    """Bytes that a reply of that many pieces leaves behind beyond its text."""
    gateway = Scripted([{"chunks": [f"word{n % 10} " for n in range(pieces)]}] * 2)
    session = ChatSession(Broker("m", gateway))
    session.send_message("warm")
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    text = session.send_message("go")
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return after - before - len(text)


def run() -> None:
    with running(20) as url:
        early, late = growth(url)
        tell("CPU of turn 200 / turn 2", late, early, 2.0)
        print(f"     {(late - early) / TURNS * 1e6:.1f} µs an extra turn")
        one = bare(httpx.Client(), url)

        def two_requests() -> None:
            one()
            one()

        calls = {"calls": [{"add": {"a": 1, "b": 2}}]}

        def tool_round() -> None:
            session = ChatSession(Broker("m", Scripted([calls, "3"])), tools=[add])
            session.send_message("1 + 2")

        floor, measured = against(two_requests, tool_round, runs=101)
        tell("a tool round (engine alone) / two bare requests", measured, floor, 2.0)
    print(f"     a reply of 10,000 chunks leaves {memory() / 1024:.0f} KiB beyond its text")
