"""One dependable model call: retry and fallback while nothing has been passed on, and the tool loop around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from math import inf
from time import monotonic
from typing import Any, TypeVar

from runner.core.cancel import Cancel
from runner.core.chunks import Chunk
from runner.core.errors import GatewayError, Unreachable, UsageError
from runner.core.events import Notice
from runner.core.messages import Message, Usage
from runner.core.policy import Limits, Retry, Timeouts
from runner.gateways import OPTIONS, Capabilities, Gateway, Request

P = TypeVar("P", Retry, Timeouts)
Draft = Callable[["Route", Capabilities], tuple[Request, Sequence[Notice]]]


@dataclass(frozen=True, slots=True)
class Route:
    """One model behind one gateway, with the options it is asked with; `place` is where a file names it."""

    gateway: Gateway
    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    place: str = ""

    def __str__(self) -> str:
        return f"{self.gateway.name}/{self.model}"


class Broker:
    """The one way to a model. It retries, and falls back to the next route, only before the first chunk.

    `gateway`: a Gateway or its class. `options`: what is sent with each request, in the agent file's words.
    `fallback`: routes as in the agent file (`{gateway, model, options}`), each gateway a name, a class or an instance.
    `retry`, `timeouts`: as in the agent file. `place`: where a file names the gateway, a fallback's under the same key;
    errors tell it. Nothing here touches the network.
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
        place: str = "",
    ) -> None:
        first = Route(_instance(gateway), model, _options(options), place)
        self.routes: tuple[Route, ...] = (first, *(_other(other, first) for other in fallback))
        self.retry = _policy(Retry, "retry", retry)
        self.timeouts = _policy(Timeouts, "timeouts", timeouts)
        self._active = 0

    @property
    def route(self) -> Route:
        """Who is asked now: the first route, or the one that was last fallen back to."""
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
        from runner.engine.one_shot import answer  # lazy: it is built on this module

        if isinstance(messages, str):
            messages = [Message.user(messages)]
        return answer(self, messages, tools, schema, limits or Limits())

    def reply(self, draft: Draft, cancel: Cancel, seconds: float | None = None) -> Iterator[Chunk | Notice]:
        """The chunks of one reply, notices of retries and of a fallback before them.

        `draft` makes the request for the route that is asked, anew for each attempt; all of them together may take
        `seconds`. Raises GatewayError.
        """
        asked = self._active
        until = inf if seconds is None else monotonic() + seconds
        while True:
            route, heard = self.routes[asked], _Heard()
            try:
                yield from self._attempts(route, draft, cancel, heard, until, last=asked + 1 == len(self.routes))
                return
            except GatewayError as error:
                if heard.anything or not error.falls_back or asked + 1 == len(self.routes):
                    raise _placed(error, route) from None
                asked += 1
                self._active = max(self._active, asked)  # another thread may be further already
                yield Notice(
                    "fallback",
                    f"{route} is not available ({error.what}); going on with {self.routes[asked]}",
                    {"from": str(route), "to": str(self.routes[asked]), "why": error.code},
                )

    def _attempts(
        self, route: Route, draft: Draft, cancel: Cancel, heard: _Heard, until: float, *, last: bool
    ) -> Iterator[Chunk | Notice]:
        attempt = 1
        while True:
            try:
                request, notices = draft(route, route.gateway.capabilities(route.model))
                yield from notices
                self._expect_price(route)
                left = None if until == inf else max(0.0, until - monotonic())
                for chunk in route.gateway.stream(replace(request, seconds=left, cancel=cancel)):
                    heard.anything = True
                    yield chunk
                return
            except GatewayError as error:
                if heard.anything or not error.retryable or monotonic() >= until:
                    raise
                if isinstance(error, Unreachable) and not last:
                    raise  # a server that is not there is not waited for while somebody else can be asked
                if attempt >= self.retry.attempts:
                    raise _spent(error, attempt) from None
                wait = self._wait(error, attempt)
                if wait > self.retry.max_wait:
                    raise _too_long(error, wait, f"retry.max_wait (now {self.retry.max_wait:g} s)") from None
                if wait > until - monotonic():
                    raise _too_long(error, wait, "limits.seconds") from None
                yield Notice(
                    "retry",
                    f"{error.what}; trying again in {wait:.1f} s ({attempt} of {self.retry.attempts - 1})",
                    {"attempt": attempt, "seconds": round(wait, 3), "why": error.code},
                )
                cancel.wait(wait)
                attempt += 1

    def _wait(self, error: GatewayError, attempt: int) -> float:
        if error.retry_after is not None:
            return max(0.0, error.retry_after)
        from random import uniform  # lazy: only a failing call waits

        return min(self.retry.max_wait, 0.5 * 2.0 ** (attempt - 1)) * uniform(0.5, 1.0)

    def price(self, usage: Usage) -> float | None:
        """What `usage` of the model now asked costs in US dollars, None where no price is known."""
        from runner.engine.cost import price  # lazy: it needs a table of prices

        return price(self.gateway.name, self.model, usage, where=self.gateway.where)

    def _expect_price(self, route: Route) -> None:
        from runner.engine.cost import expect  # lazy, as above

        expect(route.gateway.name, where=route.gateway.where)

    def close(self) -> None:
        """Let go of every gateway's connections and processes."""
        for route in self.routes:
            route.gateway.close()


@dataclass(slots=True)
class _Heard:
    """Whether a reply has begun to reach the reader."""

    anything: bool = False


def _other(given: Mapping[str, Any], first: Route) -> Route:
    """A fallback, with the first route's options unless it has its own."""
    if not {"gateway", "model"} <= given.keys():
        raise UsageError(f"a fallback needs a gateway and a model, not {dict(given)!r}")
    options = _options(given.get("options")) or first.options
    return Route(_instance(given["gateway"]), given["model"], options, given.get("place", ""))


def _options(given: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if unknown := (given or {}).keys() - OPTIONS - {"extra"}:
        what = f"there is no option {min(unknown)!r}"
        raise UsageError(
            what, fix=f"give one of {', '.join(sorted(OPTIONS))}; what its server alone knows, under extra"
        )
    return dict(given or {})


def _policy(kind: type[P], name: str, given: P | Mapping[str, Any] | None) -> P:
    if isinstance(given, kind):
        return given
    try:
        return kind(**(given or {}))  # type: ignore[arg-type]
    except TypeError:
        known = ", ".join(field.name for field in fields(kind))
        raise UsageError(f"{name} is not {given!r}", fix=f"it takes a mapping of {known}") from None


def _instance(gateway: Any) -> Gateway:
    """The gateway that a name, a class or an instance stands for."""
    if isinstance(gateway, str):
        from runner.gateways import connect  # lazy: only names need the catalogue

        return connect(gateway)
    made: Gateway = gateway() if isinstance(gateway, type) else gateway
    if not callable(getattr(made, "stream", None)):
        raise UsageError(f"{made!r} is not a gateway", fix="give a class or an instance from runner.gateways")
    return made


def _placed(error: GatewayError, route: Route) -> GatewayError:
    if route.place:
        error.where = f"{error.where} ({route.place})" if error.where else route.place
    return error


def _spent(error: GatewayError, attempts: int) -> GatewayError:
    if attempts > 1:
        error.why = f"{error.why} (tried {attempts} times)".strip()
    return error


def _too_long(error: GatewayError, wait: float, limit: str) -> GatewayError:
    """The error of a server that asks for more patience than `limit` leaves."""
    until = datetime.now().astimezone() + timedelta(seconds=min(wait, 10 * 365 * 86_400))
    who = "the next try would be at" if error.retry_after is None else "the server asks to wait until"
    error.why = f"{error.why} ({who} {until:%Y-%m-%d %H:%M:%S})".strip()
    error.fix = f"try again then, or raise {limit}"
    return error
