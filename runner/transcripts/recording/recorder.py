"""A recorder: notes the chunks of each reply and the session's events while a conversation goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from runner.core.chunks import Chunk
from runner.core.errors import GatewayError, IncompleteReply, UsageError
from runner.core.events import Event, Notice, Replied, ToolFinished, ToolStarted
from runner.core.messages import ToolResult
from runner.engine.route import Route
from runner.gateways import Capabilities, Request
from runner.transcripts.fingerprint import RequestHasher, sent_options, tool_signature
from runner.transcripts.model import RecordedRequest, RecordedTool, Recording, ReplayInputs
from runner.transcripts.recording.gateway_wrapper import GatewayWrapper
from runner.transcripts.recording.reply_capture import ReplyCapture
from runner.transcripts.redaction import Redactor
from runner.transcripts.replaying.recorded_gateway import recorded_capabilities


class Recorder:
    """Records one conversation: open its broker with `wrap`, `begin_turn` before each turn, `observe` every event.

    `route` is the GATEWAY/MODEL that was asked last, empty before the first request.
    """

    def __init__(self, redactor: Redactor, inputs: ReplayInputs) -> None:
        self._redactor = redactor
        self._inputs = inputs
        self._hasher = RequestHasher(redactor)
        self._turns: dict[str, list[ReplyCapture]] = {}
        self._current: list[ReplyCapture] = []
        self._results: dict[str, ToolResult] = {}
        self._first: Request | None = None
        self._capabilities = Capabilities()
        self._resolved = ""
        self.route = ""

    def wrap(self, route: Route) -> GatewayWrapper:
        """The route's gateway, each of its replies captured; for `Broker(wrap=…)`."""
        return GatewayWrapper(route, self._captured)

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
        elif isinstance(event, Notice) and event.kind == "fallback":
            self._drop_failed_route()

    def _drop_failed_route(self) -> None:
        """Another model is asked from here on: nothing of the one that failed belongs to the recording."""
        while self._current and self._current[-1].error is not None:
            self._current.pop()
        if not any(self._turns.values()):
            self._first = None

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
        return [capture.request for capture in self._current]

    def recording(self, name: str, *, now: datetime | None = None) -> Recording:
        """All that was captured so far, with every secret redacted. Raises UsageError if two models took part."""
        routes = {capture.route for captures in self._turns.values() for capture in captures}
        if len(routes) > 1:
            raise UsageError(
                f"{' and '.join(sorted(routes))} answered one conversation",
                why="a recording is one model's",
                fix="record with --gateway and --model, without a fallback",
            )
        redact = self._redactor
        turns = {
            turn: tuple(capture.recorded(self._results, redact) for capture in captures)
            for turn, captures in self._turns.items()
        }
        inputs = self._inputs._replace(
            variables=redact.value(self._inputs.variables), capabilities=recorded_capabilities(self._capabilities)
        )
        return Recording(
            name,
            turns,
            None,
            "" if self._resolved == name.partition("/")[2] else redact(self._resolved),
            f"{now or datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            inputs,
            recorded_request(self._first, self._hasher, redact) if self._first is not None else None,
            dict(sorted(redact.counts.items())),
        )

    def _captured(self, route: Route, request: Request) -> Iterator[Chunk]:
        """The gateway's chunks, captured as they pass."""
        if self._first is None:
            self._first = request
            self._capabilities = route.gateway.capabilities(request.model)
        self.route = str(route)
        capture = ReplyCapture(self.route, self._hasher.seen(request), request, time.monotonic())
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


def recorded_request(request: Request, hasher: RequestHasher, redact: Redactor) -> RecordedRequest:
    """What a recording keeps of its requests."""
    digests = hasher.tools(request)
    tools = {
        spec.name: RecordedTool(redact(tool_signature(spec)), redact(spec.description), digests[spec.name])
        for spec in request.tools
    }
    return RecordedRequest(
        redact(request.system), tools, redact.value(sent_options(request)), dict(hasher.stamp(request))
    )
