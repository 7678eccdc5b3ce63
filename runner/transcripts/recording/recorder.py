"""A recorder: notes the chunks of each reply and the session's events while a conversation goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from runner.core.chunks import Chunk
from runner.core.errors import GatewayError, IncompleteReply
from runner.core.events import Event, Replied, ToolFinished, ToolStarted
from runner.core.messages import ToolCall, ToolResult
from runner.engine.route import Route
from runner.gateways import Capabilities, Request
from runner.transcripts.fingerprint import RequestHasher, schema_text, sent_options, tool_signature
from runner.transcripts.model import (
    RecordedEntry,
    RecordedRequest,
    RecordedRoute,
    RecordedTool,
    Recording,
    ReplayInputs,
)
from runner.transcripts.recording.gateway_wrapper import GatewayWrapper, Stream
from runner.transcripts.recording.reply_capture import ReplyCapture
from runner.transcripts.redaction import Redactor
from runner.transcripts.replaying.recorded_gateway import recorded_capabilities

EntriesOf = Callable[[Sequence[str]], Mapping[str, RecordedEntry]]
"""Which of an agent's entries a replay leaves closed, and which of the named tools are theirs."""


class Recorder:
    """Records one conversation: open its broker with `wrap`, `begin_turn` before each turn, `observe` every event.

    `route` is the GATEWAY/MODEL that was asked last, empty before the first request; `entries` tells whose the tools
    are, and may be set once they are opened.
    """

    def __init__(self, redactor: Redactor, inputs: ReplayInputs) -> None:
        self._redactor = redactor
        self._inputs = inputs
        self._hasher = RequestHasher(redactor)
        self._routes: list[str] = []
        self._turns: dict[str, list[ReplyCapture]] = {}
        self._current: list[ReplyCapture] = []
        self._results: dict[str, ToolResult] = {}
        self._asked: set[str] = set()
        self._first: dict[int, tuple[Request, Capabilities]] = {}
        self._resolved = ""
        self.route = ""
        self.entries: EntriesOf = lambda names: {}

    def wrap(self, route: Route) -> GatewayWrapper:
        """The route's gateway, each of its replies captured; for `Broker(wrap=…)`."""
        self._routes.append(str(route))
        number = len(self._routes)
        return CapturingGateway(route, partial(self._captured, number), partial(self._add_failure, number))

    def begin_turn(self, turn: str) -> None:
        """What follows belongs to this turn."""
        self._current = self._turns[turn] = []

    def observe(self, event: Event) -> None:
        """Take note of one of the session's events."""
        if isinstance(event, ToolStarted) and self._current:
            self._current[-1].call_ids.append(event.call.id)
        elif isinstance(event, ToolFinished) and event.ran:
            self._results[event.result.call_id] = event.result
        elif isinstance(event, Replied):
            self._resolved = event.model or self._resolved

    def note_approval(self, call: ToolCall) -> None:
        """The permissions asked about the call, and it was allowed by a word that no script holds."""
        self._asked.add(call.id)

    @property
    def ends_with_calls(self) -> bool:
        """The last reply is complete and started tools, whose results no later reply has seen."""
        return bool(self._current) and self._current[-1].finish == "" and bool(self._current[-1].call_ids)

    def drop_turn(self, turn: str) -> None:
        """Leave a turn out, and what follows until the next begins."""
        self._turns.pop(turn, None)
        self._current = []

    def requests(self) -> Sequence[Request]:
        """What was sent since the turn began."""
        return [capture.request for capture in self._current if capture.request is not None]

    def recording(self, name: str, *, now: datetime | None = None) -> Recording:
        """All that was captured so far, with every secret redacted."""
        redact = self._redactor
        turns = {
            turn: tuple(capture.recorded(self._results, self._asked, redact) for capture in captures)
            for turn, captures in self._turns.items()
        }
        first = min(self._first, default=1)
        request, capabilities = self._first.get(first, (None, Capabilities()))
        inputs = self._inputs._replace(
            variables=redact.value(self._inputs.variables), capabilities=recorded_capabilities(capabilities)
        )
        return Recording(
            name,
            turns,
            None,
            "" if self._resolved == name.partition("/")[2] else redact(self._resolved),
            f"{now or datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            inputs,
            recorded_request(request, self._hasher, redact, self.entries) if request is not None else None,
            dict(sorted(redact.counts.items())),
            routes=tuple(self._recorded_routes()),
        )

    def _recorded_routes(self) -> Iterator[RecordedRoute]:
        """The models that were asked, if it was more than the first."""
        asked = [capture.route for captures in self._turns.values() for capture in captures]
        last = max(asked, default=1)
        for number in range(1, last + 1) if last > 1 else ():
            request, capabilities = self._first.get(number, (None, Capabilities()))
            route = RecordedRoute(self._routes[number - 1])
            if request is not None and number > 1:
                route = route._replace(capabilities=recorded_capabilities(capabilities))
            if request is not None and number > min(self._first):
                options = self._redactor.value(sent_options(request))
                route = route._replace(options=options, stamp=dict(self._hasher.stamp(request)))
            yield route

    def _add_failure(self, number: int, error: GatewayError) -> None:
        """A route failed before there was a request to it, when it was asked what its model can do."""
        capture = ReplyCapture(number, "", None, time.monotonic(), finish="", error=error)
        self._current.append(capture)

    def _captured(self, number: int, route: Route, request: Request) -> Iterator[Chunk]:
        """The gateway's chunks, captured as they pass."""
        if number not in self._first:
            self._first[number] = request, route.gateway.capabilities(request.model)
        self.route = str(route)
        capture = ReplyCapture(number, self._hasher.seen(request), request, time.monotonic())
        self._current.append(capture)
        try:
            for chunk in route.gateway.stream(request):
                capture.add(chunk)
                yield chunk
        except IncompleteReply:
            capture.finish = "incomplete"
            raise
        except GatewayError as error:
            capture.finish, capture.error = "", error
            raise


class CapturingGateway(GatewayWrapper):
    """A route's gateway whose replies are captured, and what fails before a request can be made of it."""

    def __init__(self, route: Route, stream: Stream, add_failure: Callable[[GatewayError], None]) -> None:
        super().__init__(route, stream)
        self._add_failure = add_failure

    def capabilities(self, model: str) -> Capabilities:
        try:
            return super().capabilities(model)
        except GatewayError as error:
            self._add_failure(error)
            raise


def recorded_request(
    request: Request, hasher: RequestHasher, redact: Redactor, entries: EntriesOf = lambda names: {}
) -> RecordedRequest:
    """What a recording keeps of its requests."""
    digests = hasher.tools(request)
    tools = {
        spec.name: RecordedTool(
            redact(tool_signature(spec)),
            redact(spec.description),
            digests[spec.name],
            redact(schema_text(spec.parameters)),
        )
        for spec in request.tools
    }
    known = {name: entry._replace(options=redact.value(entry.options)) for name, entry in entries([*tools]).items()}
    return RecordedRequest(
        redact(request.system),
        tools,
        redact.value(sent_options(request)),
        dict(hasher.stamp(request)),
        known or None,
    )
