"""A reply of 10,000 pieces, and the first of them, against bare httpx with json.loads over the same bytes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import httpx

from bench.measure import against, tell
from bench.server import running
from runner import Broker, ChatSession
from runner.gateways import OpenAI

PIECES = 10_000


def bare(client: httpx.Client, url: str) -> Callable[[], object]:
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "go"}]}

    def run() -> None:
        with client.stream("POST", f"{url}/v1/chat/completions", json=body) as response:
            for line in response.iter_lines():
                if line.startswith("data: {"):
                    json.loads(line[6:])

    return run


def ours(url: str) -> Callable[[], object]:
    session = ChatSession(Broker("m", OpenAI(url=f"{url}/v1")))

    def run() -> None:
        session.reset()
        stream, handle = session.send_stream("go")
        for _ in stream:
            pass
        handle.finalize()

    return run


def first_token(url: str, rounds: int = 200) -> tuple[float, float]:
    """Seconds to the first piece of a short reply: bare httpx, and ours."""
    client = httpx.Client()
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "go"}]}
    session = ChatSession(Broker("m", OpenAI(url=f"{url}/v1")))

    def theirs() -> float:
        started = time.perf_counter()
        with client.stream("POST", f"{url}/v1/chat/completions", json=body) as response:
            lines = response.iter_lines()
            json.loads(next(lines)[6:])
            taken = time.perf_counter() - started
            list(lines)
        return taken

    def mine() -> float:
        session.reset()
        started = time.perf_counter()
        stream, _ = session.send_stream("go")
        next(stream)
        taken = time.perf_counter() - started
        list(stream)
        return taken

    pairs = [(theirs(), mine()) for _ in range(rounds)][10:]
    return sorted(pair[0] for pair in pairs)[len(pairs) // 2], sorted(pair[1] for pair in pairs)[len(pairs) // 2]


def run() -> None:
    with running(PIECES) as url:
        floor, session = against(bare(httpx.Client(), url), ours(url), runs=7)
        tell("chunks/s through send_stream / bare httpx", session, floor, 0.8, at_least=True)
        print(f"     {PIECES / session:,.0f} chunks/s, bare httpx {PIECES / floor:,.0f}")
    with running(5) as url:
        floor, session = first_token(url)
        tell("time to first token / bare httpx", session, floor, 1.5)
