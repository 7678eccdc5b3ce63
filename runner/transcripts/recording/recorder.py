"""Listens at the gateway's and the tools' doors while a conversation goes on, and makes a recording of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from runner.core.chunks import Assembly, Chunk, DoneChunk, TextChunk
from runner.core.errors import GatewayError, IncompleteReply, UsageError
from runner.core.events import Event, Notice, Replied, ToolFinished, ToolStarted
from runner.core.messages import Message, Opaque, ToolResult
from runner.engine.broker import Broker, Route
from runner.gateways import Capabilities, Request
from runner.transcripts.fingerprint import Stamper, sent_options, signature
from runner.transcripts.model import (
    RecordedCall,
    RecordedError,
    RecordedReply,
    RecordedRequest,
    RecordedTool,
    Recording,
    ReplayInputs,
)
from runner.transcripts.recording.gateway_wrapper import stand_between
from runner.transcripts.redaction import Redactor
from runner.transcripts.replaying.recorded_gateway import able


@dataclass(slots=True)
class _Heard:
    """One reply while it arrives."""

    route: str
    seen: str
    request: Request
    started: float
    assembly: Assembly = field(default_factory=Assembly)
    lengths: list[int] = field(default_factory=list)
    first: float = 0.0
    last: float = 0.0
    finish: str = "cancelled"
    error: GatewayError | None = None
    call_ids: list[str] = field(default_factory=list)

    def hear(self, chunk: Chunk) -> None:
        self.last = time.monotonic()
        self.first = self.first or self.last
        if type(chunk) is TextChunk:
            self.lengths.append(len(chunk.text))
            self.assembly.text.append(chunk.text)
        else:
            self.assembly.add(chunk)
        if isinstance(chunk, DoneChunk):
            self.finish = ""

    @property
    def ms(self) -> tuple[int, int] | None:
        """Milliseconds to the first chunk and to the last."""
        if not self.first:
            return None
        return round((self.first - self.started) * 1000), round((self.last - self.started) * 1000)


class Recorder:
    """Records one conversation: it has to `listen_to` the broker, be told of each turn's `begin`, `hear` the events."""

    def __init__(self, redactor: Redactor, inputs: ReplayInputs) -> None:
        self._redactor = redactor
        self._inputs = inputs
        self._stamper = Stamper(redactor)
        self._turns: dict[str, list[_Heard]] = {}
        self._current: list[_Heard] = []
        self._results: dict[str, ToolResult] = {}
        self._first: Request | None = None
        self._capabilities = Capabilities()
        self._resolved = ""

    def listen_to(self, broker: Broker) -> None:
        """Hear every reply that the broker gets, whoever gives it."""
        stand_between(broker, self._listen)

    def begin(self, turn: str) -> None:
        """What follows belongs to this turn."""
        self._current = self._turns[turn] = []

    def hear(self, event: Event) -> None:
        """Take note of one of the session's events."""
        if isinstance(event, ToolStarted) and self._current:
            self._current[-1].call_ids.append(event.call.id)
        elif isinstance(event, ToolFinished) and event.ran:
            self._results[event.result.call_id] = event.result
        elif isinstance(event, Replied):
            self._resolved = event.model or self._resolved
        elif isinstance(event, Notice) and event.kind == "fallback":
            self._begin_anew()

    def _begin_anew(self) -> None:
        """Another model is asked from here on: of the one that failed nothing is kept."""
        while self._current and self._current[-1].error is not None:
            self._current.pop()
        if not any(self._turns.values()):
            self._first = None

    @property
    def interrupted(self) -> bool:
        """The turn's last reply was whole, and asked for tools."""
        return bool(self._current) and self._current[-1].finish == "" and bool(self._current[-1].call_ids)

    def forget(self, turn: str) -> None:
        """Leave a turn out, and what follows until the next begins."""
        self._turns.pop(turn, None)
        self._current = []

    def requests(self) -> Sequence[Request]:
        """What was sent since the turn began."""
        return [heard.request for heard in self._current]

    def recording(self, name: str, *, now: datetime | None = None) -> Recording:
        """What was heard so far, with every secret masked. Raises UsageError if two models took part."""
        routes = {heard.route for replies in self._turns.values() for heard in replies}
        if len(routes) > 1:
            raise UsageError(
                f"{' and '.join(sorted(routes))} answered one conversation",
                why="a recording is one model's",
                fix="record with --gateway and --model, without a fallback",
            )
        turns = {turn: tuple(map(self._reply, heard)) for turn, heard in self._turns.items()}
        mask = self._redactor
        variables = mask.value(self._inputs.variables)
        inputs = ReplayInputs(self._inputs.clock, self._inputs.seed, variables, able(self._capabilities))
        return Recording(
            name,
            turns,
            None,
            "" if self._resolved == name.partition("/")[2] else mask(self._resolved),
            f"{now or datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            inputs,
            recorded_request(self._first, self._stamper, mask) if self._first is not None else None,
            dict(sorted(mask.counts.items())),
        )

    def _listen(self, route: Route, request: Request) -> Iterator[Chunk]:
        """The gateway's chunks, noted as they pass."""
        if self._first is None:
            self._first = request
            self._capabilities = route.gateway.capabilities(request.model)
        heard = _Heard(str(route), self._stamper.seen(request), request, time.monotonic())
        self._current.append(heard)
        try:
            for chunk in route.gateway.stream(request):
                heard.hear(chunk)
                yield chunk
        except IncompleteReply:
            heard.finish = "incomplete"
            raise
        except GatewayError as error:
            heard.finish, heard.error = "", error
            raise

    def _reply(self, heard: _Heard) -> RecordedReply:
        mask = self._redactor
        message = heard.assembly.message(heard.finish)
        masked = mask(message.text)
        done = heard.assembly.done
        return RecordedReply(
            heard.seen,
            heard.finish if heard.finish or done is None else message.finish,
            masked,
            tuple(heard.lengths) if masked == message.text else (),
            mask(message.thinking),
            self._calls(heard, message),
            done.usage if done else None,
            heard.ms,
            _error(heard.error, mask),
            _masked(message.opaque, mask),
        )

    def _calls(self, heard: _Heard, message: Message) -> tuple[RecordedCall, ...]:
        mask = self._redactor
        calls = []
        for position, call in enumerate(message.calls):
            known = heard.call_ids[position] if position < len(heard.call_ids) else ""
            result = self._results.get(known)
            arguments = mask.value(call.arguments) if _writable(call.arguments) else None
            raw = mask(call.raw) if arguments is None else ""
            if result is None:
                calls.append(RecordedCall(mask(call.name), arguments, raw))
            else:
                returned = mask.value(result.output)
                calls.append(RecordedCall(mask(call.name), arguments, raw, returned, result.failed, True))
        return tuple(calls)


def recorded_request(request: Request, stamper: Stamper, mask: Redactor) -> RecordedRequest:
    """What a recording keeps of its requests."""
    digests = stamper.tools(request)
    tools = {
        spec.name: RecordedTool(mask(signature(spec)), mask(spec.description), digests[spec.name])
        for spec in request.tools
    }
    return RecordedRequest(mask(request.system), tools, mask.value(sent_options(request)), dict(stamper.parts(request)))


def _writable(arguments: Mapping[str, Any] | None) -> bool:
    """YAML can hold the arguments: an object without infinities and lone surrogates."""
    try:
        json.dumps(arguments, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        return False
    return arguments is not None


def _masked(opaque: Opaque | None, mask: Redactor) -> Opaque | None:
    """A server's state with its secrets masked: no replay asks a server whether it still likes it."""
    return None if opaque is None else replace(opaque, content=mask.value(opaque.content))


def _error(error: GatewayError | None, mask: Redactor) -> RecordedError | None:
    if error is None:
        return None
    return RecordedError(error.status, error.code, mask(error.why or error.what), error.retry_after)
