"""A recording as a gateway: it serves the recorded replies as chunks, by turn and position."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple

from runner.core import errors
from runner.core.cancel import Cancel, Cancelled
from runner.core.chunks import CallChunk, Chunk, DoneChunk, TextChunk, ThinkingChunk
from runner.core.errors import GatewayError, IncompleteReply, RecordingError
from runner.core.messages import ToolCall
from runner.gateways import Capabilities, Request
from runner.transcripts.chunking import text_chunks
from runner.transcripts.fingerprint import RequestHasher
from runner.transcripts.model import RecordedCall, RecordedError, RecordedReply, Recording


class NoWaitCancel(Cancel):
    """Cancellation whose `wait` returns at once, so that a replay retries without delay."""

    def wait(self, seconds: float) -> None:
        self.check()


class ServedReply(NamedTuple):
    """One reply as it was served: to which request, and what that request's hashes are today."""

    turn: str
    number: int
    reply: RecordedReply
    request: Request
    stamp: Mapping[str, str]
    seen: str
    route: int = 1

    @property
    def has_changed(self) -> bool:
        """The request is not the one that was recorded."""
        return self.seen != self.reply.seen


class Deviation(NamedTuple):
    """What differs from the recording besides staleness.

    `kind` is extra-call, left-over, other-route, forbidden, unrecorded, unanswered or tool-drift. `reply` is the number
    of the recorded reply that it is about, `call` that of its call, both from 1; 0 where it is about none.
    """

    kind: str
    turn: str
    what: str
    diff: str = ""
    reply: int = 0
    call: int = 0


class RecordedGateway:
    """Serves a recording's replies, turn by turn and by position, to whichever of the agent's `routes` asks.

    `served` are the replies given, `failed_early` the turns and numbers of those that no request was made for, and
    `deviations` what differed. `gateways` has one gateway a route.
    """

    def __init__(
        self, recording: Recording, routes: Sequence[str], hasher: RequestHasher, chunking: str = "recorded"
    ) -> None:
        self.where = f"the recording {recording.name}"
        self.served: list[ServedReply] = []
        self.deviations: list[Deviation] = []
        self.failed_early: set[tuple[str, int]] = set()
        self.turn = ""
        self.by_hand = recording.by_hand
        self.routes = tuple(routes)
        self._falls_back = recording.falls_back
        self._turns = recording.turns
        self._model = recording.resolved
        self._hasher = hasher
        self._chunking = chunking
        self._replies: Sequence[RecordedReply] = ()
        self._next = 0
        self._calls: dict[str, RecordedCall] = {}
        self._first = recorded_capabilities_of(recording.inputs.capabilities)
        self._fallbacks = [recorded_capabilities_of(route.capabilities) for route in recording.routes[1:]]

    @property
    def gateways(self) -> tuple[RecordedRouteGateway, ...]:
        """A gateway for each route; for the first alone where the recording holds no fallback."""
        count = len(self.routes) if self._falls_back else 1
        return tuple(
            RecordedRouteGateway(self, number, self.routes[number - 1].partition("/")[0], self._capabilities(number))
            for number in range(1, count + 1)
        )

    def _capabilities(self, route: int) -> Capabilities:
        return self._fallbacks[route - 2] if 1 < route <= len(self._fallbacks) + 1 else self._first

    def begin(self, turn: str) -> None:
        """From now on serve the replies of this turn."""
        self.turn = turn
        self._replies = self._turns.get(turn, ())
        self._next = 0
        self._calls.clear()

    def end(self) -> None:
        """Note what of the turn was recorded but never asked for."""
        count = len(self._replies)
        if self._next < count:
            left = f"reply {count} is" if self._next + 1 == count else f"replies {self._next + 1} to {count} are"
            asked = f"the engine asked for {self._next} of {count} recorded replies"
            self.add_deviation("left-over", f"{asked}: {left} left over", reply=self._next + 1)
        for call_id, call in self._calls.items():
            if call.ran:
                reply, number = _position(call_id)
                what = f"the recorded call of {call.name} (call {number} of reply {reply}) never reached its tool"
                self.add_deviation("left-over", what, reply=reply, call=number)

    def add_deviation(self, kind: str, what: str, diff: str = "", *, reply: int = 0, call: int = 0) -> None:
        self.deviations.append(Deviation(kind, self.turn, what, diff, reply, call))

    def add_call_deviation(self, kind: str, call: ToolCall, what: str, diff: str = "") -> None:
        """Note what is not as recorded about one of the calls that were served."""
        reply, number = _position(call.id)
        self.add_deviation(kind, what, diff, reply=reply, call=number)

    def stream(self, request: Request, route: int = 1) -> Iterator[Chunk]:
        """The next reply of the turn. Raises RecordingError past its end, and the recorded error."""
        number = self._next
        if number >= len(self._replies):
            what = f"the engine asked for reply {number + 1}; {len(self._replies)} are recorded"
            self.add_deviation("extra-call", what, reply=len(self._replies))
            raise RecordingError(
                f"the recording has no reply {number + 1} for the turn {self.turn}",
                where=self.where,
                why=f"{len(self._replies)} were recorded",
                fix="record it again",
            )
        self._next += 1
        reply = self._replies[number]
        if self._falls_back and reply.route != route:
            self.add_deviation("other-route", self._other_route(number + 1, reply.route, route), reply=number + 1)
        hasher = self._hasher
        self.served.append(
            ServedReply(self.turn, number + 1, reply, request, hasher.stamp(request), hasher.seen(request), route)
        )
        return self._chunks(reply, f"{self.turn}/{number + 1}/", request)

    def fail_before_request(self, route: int) -> None:
        """Raise the error that comes next, if it was recorded of the route before any request was made to it."""
        reply = self._replies[self._next] if self._next < len(self._replies) else None
        if reply is not None and reply.route == route and reply.fails_early and not self.by_hand:
            self._next += 1
            self.failed_early.add((self.turn, self._next))
            raise _failure(reply.error or RecordedError(), self.where)

    def _other_route(self, number: int, recorded: int, asked: int) -> str:
        def name(route: int) -> str:
            known = f" ({self.routes[route - 1]})" if route <= len(self.routes) else ", which the agent does not have"
            return f"route {route}{known}"

        return f"reply {number} is recorded of {name(recorded)}, and the engine asked {name(asked)}"

    def peek(self, call: ToolCall) -> RecordedCall | None:
        """The recorded call behind one of today's, which stays to be handed out."""
        return self._calls.get(call.id)

    def recorded(self, call: ToolCall) -> RecordedCall | None:
        """The recorded call behind one of today's, handed out once."""
        return self._calls.pop(call.id, None)

    def _chunks(self, reply: RecordedReply, id_prefix: str, request: Request) -> Iterator[Chunk]:
        if reply.thinking:
            yield ThinkingChunk(reply.thinking)
        for piece in text_chunks(reply.text, reply.chunk_lengths, self._chunking):
            yield TextChunk(piece)
        for index, call in enumerate(reply.calls):
            self._calls[f"{id_prefix}{index + 1}"] = call
            yield CallChunk(
                index, f"{id_prefix}{index + 1}", call.name, call.raw if call.arguments is None else call.arguments
            )
        if reply.error is not None:
            raise _failure(reply.error, self.where)
        if reply.finish == "incomplete":
            raise IncompleteReply("the reply broke off before its end", where=self.where)
        if reply.finish == "cancelled":
            raise Cancelled
        yield DoneChunk(reply.finish or "stop", reply.finish, reply.usage, self._model or request.model, reply.opaque)


class RecordedRouteGateway:
    """One of the agent's routes as a gateway: its `name`, `where` and `stream`, answered by the recording."""

    def __init__(self, recorded: RecordedGateway, number: int, name: str, capabilities: Capabilities) -> None:
        self.name = name
        self.where = recorded.where
        self._recorded = recorded
        self._number = number
        self._capabilities = capabilities

    def capabilities(self, model: str) -> Capabilities:
        self._recorded.fail_before_request(self._number)
        return self._capabilities

    def stream(self, request: Request) -> Iterator[Chunk]:
        return self._recorded.stream(request, self._number)

    def close(self) -> None:
        """Nothing is held."""


def _position(call_id: str) -> tuple[int, int]:
    """The numbers of the reply and of the call that an id of ours stands for; 0 for the call of an agent in between."""
    numbers = call_id.rsplit("/", 2)[1:]
    return (int(numbers[0]), int(numbers[1])) if len(numbers) == 2 and "".join(numbers).isdigit() else (0, 0)


_BY_CODE: Mapping[str, type[GatewayError]] = {
    error.code: error
    for error in vars(errors).values()
    if isinstance(error, type) and issubclass(error, GatewayError) and error is not GatewayError
}


def _failure(error: RecordedError, where: str) -> GatewayError:
    """The recorded error again: by its code, or by its status, as a server's would be."""
    kind = _BY_CODE.get(error.code)
    if kind is not None:
        what = error.message or f"the recording answers with {error.code}"
        return kind(what, where=where, status=error.status, retry_after=error.retry_after)
    from runner.gateways.http.error_context import ErrorContext  # lazy, as the next: most errors have a code
    from runner.gateways.http.status_errors import error_from_server

    context = ErrorContext("the recording", where)
    server_error = error_from_server(context, error.message or f"status {error.status}", status=error.status)
    return server_error if error.retry_after is None else server_error.replace(retry_after=error.retry_after)


def recorded_capabilities(capabilities: Capabilities) -> dict[str, Any]:
    """The capabilities that differ from the defaults, as JSON values, as a recording keeps them."""
    default = Capabilities()
    values = {name: getattr(capabilities, name) for name in Capabilities.__dataclass_fields__}
    return {
        name: sorted(value) if isinstance(value, Set) else value
        for name, value in values.items()
        if value != getattr(default, name)
    }


def recorded_capabilities_of(recorded: Mapping[str, Any]) -> Capabilities:
    """The capabilities that a recording gives."""
    values: dict[str, Any] = {name: frozenset(v) if isinstance(v, list) else v for name, v in recorded.items()}
    return Capabilities(**values)
