"""Wrapping a gateway: another function answers its requests, to record them or to send something else."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from runner.core.chunks import Chunk
from runner.engine.route import Route
from runner.gateways import Capabilities, Request

Stream = Callable[[Route, Request], Iterator[Chunk]]


class GatewayWrapper:
    """The gateway of `route` with another `stream`, which may ask the route's own."""

    def __init__(self, route: Route, stream: Stream) -> None:
        self._route = route
        self._gateway = route.gateway
        self._stream = stream

    @property
    def name(self) -> str:
        return self._gateway.name

    @property
    def where(self) -> str:
        return self._gateway.where

    def capabilities(self, model: str) -> Capabilities:
        return self._gateway.capabilities(model)

    def stream(self, request: Request) -> Iterator[Chunk]:
        return self._stream(self._route, request)

    def close(self) -> None:
        self._gateway.close()
