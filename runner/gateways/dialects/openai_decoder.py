"""Decoder of the chat completions dialect: events to chunks; what servers get wrong in it is tolerated here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.core.chunks import CallChunk, Chunk, DoneChunk, TextChunk, ThinkingChunk
from runner.core.messages import FinishReason, Opaque, Usage
from runner.gateways.dialects.json_events import (
    SurrogateJoiner,
    as_count,
    as_object,
    as_objects,
    as_text,
    parse_object,
    parse_object_if_whole,
)
from runner.gateways.http.connection_errors import missing_terminator, not_a_reply
from runner.gateways.http.error_context import ErrorContext
from runner.gateways.http.sse import SseParser
from runner.gateways.http.status_errors import error_from_server

_NO_CONTEXT = ErrorContext()
_DONE = b"[DONE]"
_FINISHES: Mapping[str, FinishReason] = {
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
_FAILED_FINISHES = frozenset({"error", "abort", "insufficient_system_resource", "network_error"})


class OpenAIDecoder:
    """The events of a stream, or one whole reply, to chunks."""

    def __init__(self, context: ErrorContext = _NO_CONTEXT, echo: str = "") -> None:
        self.events = 0
        self.complete = False
        self.ended = False
        self._context = context
        self._echo = echo
        self._parser = SseParser()
        self._text_joiner = SurrogateJoiner()
        self._thinking_joiner = SurrogateJoiner()
        self._reasoning_details: list[dict[str, Any]] = []
        self._thinking: list[str] = []
        self._finish_reason = ""
        self._has_refusal = False
        self._usage: Usage | None = None
        self._model = ""

    def feed(self, data: bytes) -> Iterator[Chunk]:
        for _, payload in self._parser.feed(data):
            if payload == _DONE:
                yield from self._on_end()
                return
            self.events += 1
            event = parse_object(payload, self._context, f"event {self.events}")
            text = _only_text(event)
            if text is None:
                yield from self._on_event(event)
            elif text := self._text_joiner.join(text):
                yield TextChunk(text)

    def end(self) -> Iterator[Chunk]:
        for _, payload in self._parser.end():
            if payload == _DONE:
                self.complete = True
            elif (event := parse_object_if_whole(payload, self._context)) is not None:
                self.events += 1
                yield from self._on_event(event)
        if self.ended:
            return
        if not self.complete:
            raise missing_terminator(self._context, self.events)
        yield from self._on_end()

    def decode_document(self, data: bytes) -> Iterator[Chunk]:
        reply = parse_object(data, self._context)
        self.events = 1
        yield from self._on_event(reply)
        if not as_objects(reply.get("choices")):
            raise not_a_reply(self._context, data, "application/json")
        yield from self._on_end()

    def _on_event(self, event: dict[str, Any]) -> Iterator[Chunk]:
        choices = as_objects(event.get("choices"))
        self._raise_if_error(event, choices)
        self._model = as_text(event.get("model")) or self._model
        if usage := event.get("usage") or as_object(event.get("x_groq")).get("usage"):
            self._usage = _usage(as_object(usage))
        for choice in choices:
            if not choice.get("index"):
                yield from self._on_choice(choice)

    def _raise_if_error(self, event: dict[str, Any], choices: list[dict[str, Any]]) -> None:
        """Raise the error that stands where a piece of the reply should."""
        if event.get("error"):
            raise error_from_server(self._context, event)
        for choice in choices:
            if choice.get("error"):
                raise error_from_server(self._context, choice)
            if (finish := as_text(choice.get("finish_reason"))) in _FAILED_FINISHES:
                raise error_from_server(
                    self._context, {"code": "server_error", "message": f"the reply ended with {finish!r}"}
                )
        if "choices" not in event and ("message" in event or "detail" in event or any("error" in key for key in event)):
            raise error_from_server(self._context, event)

    def _on_choice(self, choice: dict[str, Any]) -> Iterator[Chunk]:
        delta = as_object(choice["delta"] if "delta" in choice else choice.get("message"))
        thought = as_text(delta.get("reasoning_content")) or as_text(delta.get("reasoning"))
        yield from self._on_content(delta.get("content"), thought)
        self._reasoning_details += as_objects(delta.get("reasoning_details"))
        if refusal := as_text(delta.get("refusal")):
            self._has_refusal = True
            yield from self._on_content(refusal)
        calls = delta.get("tool_calls")
        for call in as_objects(calls if not isinstance(calls, dict) else [calls]):
            piece = _tool_call_chunk(call)
            if piece.id or piece.name or piece.arguments is not None:
                yield piece
        if legacy := as_object(delta.get("function_call")):
            yield _tool_call_chunk({"index": 0, "function": legacy})
        if reason := as_text(choice.get("finish_reason")):
            self._finish_reason = self._finish_reason or reason
            self.complete = True

    def _on_content(self, content: Any, thought: str = "") -> Iterator[Chunk]:
        """The chunks of text, or of a list of parts, as some servers send where they think."""
        if isinstance(content, list):
            for part in as_objects(content):
                inner = part.get("thinking")
                if isinstance(inner, list):
                    inner = "".join(as_text(piece.get("text")) for piece in as_objects(inner))
                yield from self._on_content(as_text(part.get("text")), as_text(inner))
            return
        if thought and (shown := self._thinking_joiner.join(thought)):
            self._thinking.append(shown)
            yield ThinkingChunk(shown)
        if content and isinstance(content, str) and (text := self._text_joiner.join(content)):
            yield TextChunk(text)

    def _on_end(self) -> Iterator[Chunk]:
        self.complete = self.ended = True
        if rest := self._text_joiner.flush():
            yield TextChunk(rest)
        yield DoneChunk(
            "content_filter" if self._has_refusal else _FINISHES.get(self._finish_reason, "stop"),
            self._finish_reason or "null",
            self._usage,
            self._model,
            self._opaque(),
        )

    def _opaque(self) -> Opaque | None:
        """The reasoning in the server's own form, where it wants it back."""
        content = (
            _joined_details(self._reasoning_details) if self._echo == "reasoning_details" else "".join(self._thinking)
        )
        return Opaque("openai", self._context.model, {self._echo: content}) if self._echo and content else None


def _joined_details(pieces: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Details of reasoning from their streamed pieces: neighbours of one type and index are one."""
    joined: list[dict[str, Any]] = []
    for piece in pieces:
        last = joined[-1] if joined else {}
        is_continuation = all(last.get(key) == piece.get(key) for key in ("type", "index"))
        if not last or not is_continuation or (piece.get("id") and last.get("id") not in (None, piece["id"])):
            joined.append(dict(piece))
            continue
        for key, value in piece.items():
            if key in ("text", "summary", "data"):
                last[key] = as_text(last.get(key)) + as_text(value)
            elif value is not None:
                last[key] = value
    return joined


def _only_text(event: dict[str, Any]) -> str | None:
    """The text of an event that holds nothing else, as most do; None for any other, which is decoded in full."""
    try:
        choice = event["choices"][0]
        delta = choice["delta"]
        text = delta["content"]
        if len(delta) == 1 and type(text) is str and not (choice["finish_reason"] or event.get("usage")):
            return None if "error" in event or "error" in choice else text
    except (LookupError, TypeError):
        pass
    return None


def _tool_call_chunk(call: dict[str, Any]) -> CallChunk:
    function = as_object(call.get("function"))
    index = call.get("index")
    arguments = function.get("arguments")
    return CallChunk(
        index if type(index) is int else None,
        as_text(call.get("id")),
        as_text(function.get("name")),
        arguments if isinstance(arguments, (str, dict)) else None,
    )


def _usage(usage: dict[str, Any]) -> Usage:
    return Usage(
        as_count(usage.get("prompt_tokens")),
        as_count(usage.get("completion_tokens")),
        as_count(as_object(usage.get("prompt_tokens_details")).get("cached_tokens")),
        as_count(as_object(usage.get("completion_tokens_details")).get("reasoning_tokens")),
    )
