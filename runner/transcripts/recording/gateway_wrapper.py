"""Wrapping a broker's gateways: another function answers its requests, to record them or to send something else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from runner.core.chunks import Chunk
from runner.engine.broker import Broker, Route
from runner.gateways import Capabilities, Gateway, Request

Stream = Callable[[Route, Request], Iterator[Chunk]]


def wrap_gateways(broker: Broker, stream: Stream) -> None:
    """From now on `stream` answers the broker's requests, and may ask the gateway of the route it is given."""
    broker.routes = tuple(replace(route, gateway=_WrappedGateway(route, stream)) for route in broker.routes)


class _WrappedGateway:
    """A route's gateway with another `stream`."""

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
