"""One model reply captured while it streams, and made a RecordedReply with its secrets redacted."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from runner.core.chunks import Assembly, Chunk, DoneChunk, TextChunk
from runner.core.errors import GatewayError
from runner.core.messages import FinishReason, Message, Opaque, ToolResult
from runner.gateways import Request
from runner.transcripts.model import RecordedCall, RecordedError, RecordedReply
from runner.transcripts.redaction import Redactor


@dataclass(slots=True)
class ReplyCapture:
    """A reply that a route gives to `request`: add its chunks as they arrive, then the ids of the calls it started.

    `request` is None where the route failed before there was one. `finish` is empty once the reply is complete, and
    after an error; until then it stands for one that broke off.
    """

    route: int
    seen: str
    request: Request | None
    started: float
    assembly: Assembly = field(default_factory=Assembly)
    lengths: list[int] = field(default_factory=list)
    first: float = 0.0
    last: float = 0.0
    finish: FinishReason | Literal[""] = "cancelled"
    error: GatewayError | None = None
    call_ids: list[str] = field(default_factory=list)

    def add(self, chunk: Chunk) -> None:
        """Take one chunk, at its time."""
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
        """Milliseconds to the first chunk and to the last; None if there was no chunk."""
        if not self.first:
            return None
        return round((self.first - self.started) * 1000), round((self.last - self.started) * 1000)

    def recorded(self, results: Mapping[str, ToolResult], asked: Set[str], redact: Redactor) -> RecordedReply:
        """The reply with the results of its calls, which are given by call id; `asked` are those that were allowed."""
        message = self.assembly.message(self.finish)
        redacted = redact(message.text)
        done = self.assembly.done
        return RecordedReply(
            self.seen,
            self.finish if self.finish or done is None else message.finish,
            redacted,
            tuple(self.lengths) if redacted == message.text else (),
            redact(message.thinking),
            self._recorded_calls(message, results, asked, redact),
            done.usage if done else None,
            self.ms,
            _recorded_error(self.error, redact),
            _redacted_opaque(message.opaque, redact),
            self.route,
        )

    def _recorded_calls(
        self, message: Message, results: Mapping[str, ToolResult], asked: Set[str], redact: Redactor
    ) -> tuple[RecordedCall, ...]:
        """The message's calls; those without a result did not run."""
        calls = []
        for position, call in enumerate(message.calls):
            call_id = self.call_ids[position] if position < len(self.call_ids) else ""
            arguments = redact.value(call.arguments) if _fits_yaml(call.arguments) else None
            recorded = RecordedCall(redact(call.name), arguments, redact(call.raw) if arguments is None else "")
            if (result := results.get(call_id)) is not None:
                recorded = recorded._replace(returned=redact.value(result.output), failed=result.failed, ran=True)
            calls.append(recorded._replace(asked=recorded.ran and call_id in asked))
        return tuple(calls)


def _fits_yaml(arguments: Mapping[str, Any] | None) -> bool:
    """YAML can hold the arguments: an object without infinities and lone surrogates."""
    try:
        json.dumps(arguments, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        return False
    return arguments is not None


def _redacted_opaque(opaque: Opaque | None, redact: Redactor) -> Opaque | None:
    """A server's state with its secrets redacted: a replay never sends it back to a server."""
    return None if opaque is None else replace(opaque, content=redact.value(opaque.content))


def _recorded_error(error: GatewayError | None, redact: Redactor) -> RecordedError | None:
    if error is None:
        return None
    return RecordedError(error.status, error.code, redact(error.why or error.what), error.retry_after)
