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

    @property
    def has_changed(self) -> bool:
        """The request is not the one that was recorded."""
        return self.seen != self.reply.seen


class Deviation(NamedTuple):
    """What differs from the recording besides staleness.

    `kind` is extra-call, left-over, forbidden, unrecorded, unanswered or tool-drift.
    """

    kind: str
    turn: str
    what: str
    diff: str = ""


class RecordedGateway:
    """Serves a recording's replies, turn by turn and by position; as a gateway it has `name`, `where` and `stream`.

    `served` are the replies given and `deviations` what differed, oldest first.
    """

    def __init__(self, recording: Recording, name: str, hasher: RequestHasher, chunking: str = "recorded") -> None:
        self.name = name
        self.where = f"the recording {recording.name}"
        self.served: list[ServedReply] = []
        self.deviations: list[Deviation] = []
        self.turn = ""
        self.by_hand = recording.by_hand
        self._turns = recording.turns
        self._model = recording.resolved
        self._hasher = hasher
        self._chunking = chunking
        self._capabilities = _capabilities(recording.inputs.capabilities)
        self._replies: Sequence[RecordedReply] = ()
        self._next = 0
        self._calls: dict[str, RecordedCall] = {}

    def capabilities(self, model: str) -> Capabilities:
        return self._capabilities

    def begin(self, turn: str) -> None:
        """From now on serve the replies of this turn."""
        self.turn = turn
        self._replies = self._turns.get(turn, ())
        self._next = 0
        self._calls.clear()

    def end(self) -> None:
        """Note what of the turn was recorded but never asked for."""
        left = len(self._replies) - self._next
        if left > 0:
            asked = f"{self._next} of {len(self._replies)} recorded replies were asked for"
            self.add_deviation("left-over", f"{asked}: {left} left over")
        for call in self._calls.values():
            if call.ran:
                self.add_deviation("left-over", f"the recorded call of {call.name} never reached its tool")

    def add_deviation(self, kind: str, what: str, diff: str = "") -> None:
        self.deviations.append(Deviation(kind, self.turn, what, diff))

    def stream(self, request: Request) -> Iterator[Chunk]:
        """The next reply of the turn. Raises RecordingError past its end, and the recorded error."""
        number = self._next
        if number >= len(self._replies):
            self.add_deviation(
                "extra-call", f"the engine asked for reply {number + 1}; {len(self._replies)} are recorded"
            )
            raise RecordingError(
                f"the recording has no reply {number + 1} for the turn {self.turn}",
                where=self.where,
                why=f"{len(self._replies)} were recorded",
                fix="record it again",
            )
        self._next += 1
        reply = self._replies[number]
        hasher = self._hasher
        self.served.append(
            ServedReply(self.turn, number + 1, reply, request, hasher.stamp(request), hasher.seen(request))
        )
        return self._chunks(reply, f"{self.turn}/{number + 1}/", request)

    def ran(self, call: ToolCall) -> bool:
        """A result of the call is recorded."""
        return call.id in self._calls and self._calls[call.id].ran

    def recorded(self, call: ToolCall) -> RecordedCall | None:
        """The recorded call behind one of today's, handed out once."""
        return self._calls.pop(call.id, None)

    def close(self) -> None:
        """Nothing is held."""

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


def _capabilities(recorded: Mapping[str, Any]) -> Capabilities:
    """The capabilities that a recording gives."""
    values: dict[str, Any] = {name: frozenset(v) if isinstance(v, list) else v for name, v in recorded.items()}
    return Capabilities(**values)
