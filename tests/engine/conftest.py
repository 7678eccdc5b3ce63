"""Gateways that tests write down: what they answer, and what they were asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runner.core.chunks import Chunk, DoneChunk, TextChunk
from runner.core.errors import GatewayError
from runner.gateways import Capabilities, Request


class Asked:
    """Answers from a list: chunks, errors to raise among them, or a function of the request. Remembers requests."""

    where = "here"

    def __init__(self, *replies: Any, name: str = "asked", **capabilities: Any) -> None:
        self.name = name
        self.replies = list(replies)
        self.requests: list[Request] = []
        self.closed = 0
        self._capabilities = Capabilities(**capabilities)

    def capabilities(self, model: str) -> Capabilities:
        return self._capabilities

    def stream(self, request: Request) -> Iterator[Chunk]:
        self.requests.append(request)
        reply = self.replies.pop(0)
        try:
            if isinstance(reply, str):
                reply = [TextChunk(reply), DoneChunk()]
            for chunk in reply(request) if callable(reply) else reply:
                if isinstance(chunk, GatewayError):
                    raise chunk
                yield chunk
        finally:
            self.closed += 1

    def close(self) -> None: ...


@pytest.fixture
def asked() -> Callable[..., Asked]:
    return Asked
