"""A broker's gateways with something between: who listens, or who sends something else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from runner.core.chunks import Chunk
from runner.engine.broker import Broker, Route
from runner.gateways import Capabilities, Gateway, Request

Stream = Callable[[Route, Request], Iterator[Chunk]]


def stand_between(broker: Broker, stream: Stream) -> None:
    """From now on `stream` answers the broker's requests, and may ask the gateway of the route it is given."""
    broker.routes = tuple(replace(route, gateway=_Around(route, stream)) for route in broker.routes)


class _Around:
    """A gateway in all but what it streams."""

    def __init__(self, route: Route, stream: Stream) -> None:
        self._route = route
        self._inner: Gateway = route.gateway
        self._stream = stream

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def where(self) -> str:
        return self._inner.where

    def capabilities(self, model: str) -> Capabilities:
        return self._inner.capabilities(model)

    def stream(self, request: Request) -> Iterator[Chunk]:
        return self._stream(self._route, request)

    def close(self) -> None:
        self._inner.close()
