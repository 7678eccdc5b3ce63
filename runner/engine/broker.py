"""Model calls: the routes that an agent may ask, retries on each, and the fallback from one to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from math import inf
from time import monotonic
from typing import Any, Literal, TypeVar

from runner.core.cancel import Cancel
from runner.core.chunks import Chunk
from runner.core.errors import GatewayError, UsageError
from runner.core.events import Notice
from runner.core.messages import Message, Usage
from runner.core.policy import Limits, Retry, Timeouts
from runner.engine.retry import ModelCall, with_retries
from runner.engine.route import Route
from runner.gateways import OPTIONS, Capabilities, Gateway, Request

P = TypeVar("P", Retry, Timeouts)
RequestFor = Callable[[Route, Capabilities], tuple[Request, Sequence[Notice]]]
WrapGateway = Callable[[Route], Gateway]


class Broker:
    """Asks a model. It retries, and falls back to the next route, only before the first chunk.

    `gateway`: a Gateway, its class, or a name of the catalogue. `options`: what is sent with each request, in the agent
    file's words. `fallback`: routes as in the agent file (`{gateway, model, options}`), each gateway likewise.
    `retry`, `timeouts`: as in the agent file, waits in seconds. `cache`: "off" keeps prompts out of servers' caches as
    far as a request can say so. `where` a file names the gateway, a fallback's
    under the same key; errors tell it. `wrap`: gives the gateway to ask in place of a route's own, and may pass
    requests on to that. Nothing here touches the network. Raises UsageError.
    """

    def __init__(
        self,
        model: str,
        gateway: Gateway | type[Gateway] | str,
        *,
        options: Mapping[str, Any] | None = None,
        fallback: Sequence[Mapping[str, Any]] = (),
        retry: Retry | Mapping[str, Any] | None = None,
        timeouts: Timeouts | Mapping[str, Any] | None = None,
        cache: Literal["auto", "off"] = "auto",
        where: str = "",
        wrap: WrapGateway | None = None,
    ) -> None:
        first = Route(_gateway_instance(gateway), model, _checked_options(options), where)
        routes = (first, *(_fallback_route(fields, first) for fields in fallback))
        self.routes: tuple[Route, ...] = (
            tuple(replace(route, gateway=wrap(route)) for route in routes) if wrap else routes
        )
        self.retry = _policy(Retry, "retry", retry)
        self.timeouts = _policy(Timeouts, "timeouts", timeouts)
        self._cache = cache == "auto"
        self._active = 0

    @property
    def route(self) -> Route:
        """The route that is asked now: the first, or the one that was last fallen back to."""
        return self.routes[self._active]

    @property
    def model(self) -> str:
        return self.route.model

    @property
    def gateway(self) -> Gateway:
        return self.route.gateway

    def generate(
        self,
        messages: Sequence[Message] | str,
        *,
        tools: Sequence[Any] = (),
        schema: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
    ) -> Any:
        """Answer `messages`, or one text, without a session: the text, or with `schema` the JSON value that keeps it.

        Tools the model asks for are run. Raises GatewayError, LimitReached.
        """
        from runner.engine.one_shot import generate  # lazy: it is built on this module

        if isinstance(messages, str):
            messages = [Message.user(messages)]
        return generate(self, messages, tools, schema, limits or Limits())

    def reply(self, request_for: RequestFor, cancel: Cancel, seconds: float | None = None) -> Iterator[Chunk | Notice]:
        """The chunks of one reply, notices of retries and of a fallback before them.

        `request_for` makes the request for the route that is asked, anew for each attempt; all of them together may
        take `seconds`. Raises GatewayError.
        """
        call = ModelCall(cancel, inf if seconds is None else monotonic() + seconds)
        index = self._active
        while True:
            route, last = self.routes[index], index + 1 == len(self.routes)
            try:
                attempt = partial(self._attempt, route, request_for, call)
                yield from with_retries(attempt, call, self.retry, last_route=last)
                return
            except GatewayError as error:
                if call.started or not error.falls_back or last:
                    raise _with_where(error, route) from None
                index += 1
                self._active = max(self._active, index)  # another thread may be further already
                yield Notice(
                    "fallback",
                    f"{route} is not available ({error.what}); going on with {self.routes[index]}",
                    {"from": str(route), "to": str(self.routes[index]), "why": error.code},
                )

    def _attempt(self, route: Route, request_for: RequestFor, call: ModelCall) -> Iterator[Chunk | Notice]:
        request, notices = request_for(route, route.gateway.capabilities(route.model))
        yield from notices
        self._prepare_price(route)
        yield from route.gateway.stream(
            replace(request, seconds=call.seconds_left, cancel=call.cancel, cache=self._cache)
        )

    def price(self, usage: Usage) -> float | None:
        """What `usage` of the model now asked costs in US dollars, None where no price is known."""
        from runner.engine.cost import price  # lazy: it needs a table of prices

        return price(self.gateway.name, self.model, usage, where=self.gateway.where)

    def _prepare_price(self, route: Route) -> None:
        from runner.engine.cost import expect  # lazy, as above

        expect(route.gateway.name, where=route.gateway.where)

    def close(self) -> None:
        """Close every gateway, with its connections and processes."""
        for route in self.routes:
            route.gateway.close()


def _fallback_route(fields: Mapping[str, Any], first: Route) -> Route:
    """A fallback, with the first route's options unless it has its own."""
    if not {"gateway", "model"} <= fields.keys():
        raise UsageError(f"a fallback needs a gateway and a model, not {dict(fields)!r}")
    options = _checked_options(fields.get("options")) or first.options
    return Route(_gateway_instance(fields["gateway"]), fields["model"], options, fields.get("where", ""))


def _checked_options(options: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if unknown := (options or {}).keys() - OPTIONS - {"extra"}:
        what = f"there is no option {min(unknown)!r}"
        raise UsageError(
            what, fix=f"give one of {', '.join(sorted(OPTIONS))}; what its server alone knows, under extra"
        )
    return dict(options or {})


def _policy(kind: type[P], name: str, value: P | Mapping[str, Any] | None) -> P:
    if isinstance(value, kind):
        return value
    try:
        return kind(**(value or {}))  # type: ignore[arg-type]
    except TypeError:
        known = ", ".join(field.name for field in fields(kind))
        raise UsageError(f"{name} is not {value!r}", fix=f"it takes a mapping of {known}") from None


def _gateway_instance(gateway: Any) -> Gateway:
    """The gateway that a name, a class or an instance stands for."""
    if isinstance(gateway, str):
        from runner.gateways import connect  # lazy: only names need the catalogue

        return connect(gateway)
    instance: Gateway = gateway() if isinstance(gateway, type) else gateway
    if not callable(getattr(instance, "stream", None)):
        raise UsageError(f"{instance!r} is not a gateway", fix="give a class or an instance from runner.gateways")
    return instance


def _with_where(error: GatewayError, route: Route) -> GatewayError:
    """The error with the line of the agent file that names the route."""
    if not route.where:
        return error
    return error.replace(where=f"{error.where} ({route.where})" if error.where else route.where)
