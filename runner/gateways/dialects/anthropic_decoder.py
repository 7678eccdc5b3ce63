"""Decoder of the Messages dialect: events to chunks; the content blocks are kept as they came."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.core.chunks import CallChunk, Chunk, DoneChunk, TextChunk, ThinkingChunk, parse_arguments
from runner.core.errors import ProtocolBroken
from runner.core.messages import FinishReason, Opaque, Usage
from runner.core.sanitize import replace_surrogates
from runner.gateways.dialects.json_events import (
    SseDecoder,
    SurrogateJoiner,
    as_count,
    as_object,
    as_objects,
    as_text,
    parse_object,
)
from runner.gateways.http.connection_errors import not_a_reply
from runner.gateways.http.error_context import ErrorContext
from runner.gateways.http.status_errors import error_from_server

_FINISHES: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
    "refusal": "content_filter",
}


class AnthropicDecoder(SseDecoder):
    """The events of Messages, or one whole reply, to chunks."""

    def __init__(self, context: ErrorContext = ErrorContext()) -> None:
        super().__init__(context)
        self._model = ""
        self._stop_reason = ""
        self._usage: dict[str, Any] = {}
        self._blocks: list[_Block] = []
        self._open_blocks: dict[int, _Block] = {}

    def decode_document(self, data: bytes) -> Iterator[Chunk]:
        reply = parse_object(data, self._context)
        self.events = 1
        if "error" in reply:
            raise error_from_server(self._context, reply)
        if "content" not in reply:
            raise not_a_reply(self._context, data, "application/json")
        self._on_message_start(reply)
        for index, block in enumerate(as_objects(reply["content"])):
            yield from self._on_block_start(index, block)
        self._stop_reason = as_text(reply.get("stop_reason"))
        yield from self._on_end()

    def _on_event(self, event: dict[str, Any]) -> Iterator[Chunk]:
        kind = event.get("type")
        self.events += isinstance(kind, str) and kind != "ping"
        match kind:
            case "content_block_delta":
                yield from self._on_block_delta(event)
            case "content_block_start":
                yield from self._on_block_start(as_count(event.get("index")), as_object(event.get("content_block")))
            case "message_start":
                self._on_message_start(as_object(event.get("message")))
            case "message_delta":
                self._stop_reason = as_text(as_object(event.get("delta")).get("stop_reason")) or self._stop_reason
                self.complete = self.complete or bool(self._stop_reason)
                self._add_usage(event)
            case "content_block_stop":
                yield from self._on_block_stop(as_count(event.get("index")))
            case "message_stop":
                yield from self._on_end()
            case _ if kind == "error" or "error" in event:
                raise error_from_server(self._context, event)

    def _on_message_start(self, message: dict[str, Any]) -> None:
        self._model = as_text(message.get("model"))
        self._add_usage(message)

    def _add_usage(self, event: dict[str, Any]) -> None:
        """Update the usage: its numbers are running totals, and those that are left out stay."""
        self._usage |= {key: value for key, value in as_object(event.get("usage")).items() if value is not None}

    def _on_block_start(self, index: int, head: dict[str, Any]) -> Iterator[Chunk]:
        block = self._open_blocks[index] = _Block(head)
        self._blocks.append(block)
        match block.kind:
            case "text" if text := replace_surrogates(as_text(head.get("text"))):
                yield TextChunk(text)
            case "thinking" if text := replace_surrogates(as_text(head.get("thinking"))):
                yield ThinkingChunk(text)
            case "tool_use":
                arguments = as_object(head.get("input")) or None
                yield CallChunk(index, as_text(head.get("id")), as_text(head.get("name")), arguments)

    def _on_block_delta(self, event: dict[str, Any]) -> Iterator[Chunk]:
        index = as_count(event.get("index"))
        delta = as_object(event.get("delta"))
        block = self._open_blocks.get(index)
        if block is None:
            raise ProtocolBroken(
                f"{self._context.name} went on with a part of its reply that it had not begun",
                why=f"event {self.events} belongs to block {index}",
            )
        match delta.get("type"):
            case "text_delta" if text := block.append(delta.get("text")):
                yield TextChunk(text)
            case "input_json_delta" if (piece := block.append(delta.get("partial_json"))) and block.kind == "tool_use":
                yield CallChunk(index, arguments=piece)
            case "thinking_delta" if text := block.append(delta.get("thinking")):
                yield ThinkingChunk(text)
            case "signature_delta":
                block.head["signature"] = as_text(delta.get("signature"))
            case "citations_delta":
                block.head["citations"] = [*(block.head.get("citations") or ()), delta.get("citation")]

    def _on_block_stop(self, index: int) -> Iterator[Chunk]:
        """End a block, with what half a character at its end becomes."""
        block = self._open_blocks.get(index)
        if block is not None and (rest := block.flush()):
            yield ThinkingChunk(rest) if block.kind == "thinking" else TextChunk(rest)

    def _on_end(self) -> Iterator[Chunk]:
        self.complete = self.ended = True
        yield DoneChunk(
            _FINISHES.get(self._stop_reason, "stop"),
            self._stop_reason,
            _usage(self._usage),
            self._model,
            self._opaque(),
        )

    def _opaque(self) -> Opaque | None:
        """The blocks as they stand, if they say more than a text followed by calls does."""
        kinds = [block.kind for block in self._blocks if not block.is_blank]
        if kinds == sorted(kinds) and set(kinds) <= {"text", "tool_use"} and kinds.count("text") < 2:
            return None
        try:
            content = [block.assembled() for block in self._blocks if not block.is_blank]
        except ValueError:
            return None
        return Opaque("anthropic", self._context.model, content)


class _Block:
    """A part of the reply that is still arriving: how it began, and the pieces since."""

    def __init__(self, head: dict[str, Any]) -> None:
        self.head = dict(head)
        self.kind = as_text(head.get("type"))
        self.pieces: list[str] = []
        self._text_joiner = SurrogateJoiner()

    def append(self, piece: Any) -> str:
        """Take a piece; what of it may be shown."""
        text = self._text_joiner.join(as_text(piece))
        if text:
            self.pieces.append(text)
        return text

    def flush(self) -> str:
        """What stands in for half a character that was left over; JSON is left as it came."""
        rest = self._text_joiner.flush() if self.kind in ("text", "thinking") else ""
        if rest:
            self.pieces.append(rest)
        return rest

    @property
    def is_blank(self) -> bool:
        """An empty text, which the server sends but does not take back."""
        return self.kind == "text" and not (as_text(self.head.get("text")) or any(self.pieces))

    def assembled(self) -> dict[str, Any]:
        """The whole block, to be sent back byte for byte. Raises ValueError where its JSON was cut."""
        if not self.pieces:
            return self.head
        joined = "".join(self.pieces)
        if self.kind in ("text", "thinking"):
            return self.head | {self.kind: as_text(self.head.get(self.kind)) + joined}
        arguments, problem = parse_arguments(joined)
        if problem:
            raise ValueError(problem)
        return self.head | {"input": arguments}


def _usage(usage: dict[str, Any]) -> Usage | None:
    if not usage:
        return None
    cached = as_count(usage.get("cache_read_input_tokens"))
    written = as_count(usage.get("cache_creation_input_tokens"))
    return Usage(
        as_count(usage.get("input_tokens")) + cached + written,
        as_count(usage.get("output_tokens")),
        cached,
        as_count(as_object(usage.get("output_tokens_details")).get("thinking_tokens")),
    )
