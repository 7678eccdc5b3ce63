"""What comes back in the chat completions dialect, decoded; what servers get wrong in it is forgiven here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.core.chunks import CallChunk, Chunk, DoneChunk, TextChunk, ThinkingChunk
from runner.core.messages import FinishReason, Opaque, Usage
from runner.gateways.dialects.reply_events import Pairs, a_count, a_text, an_object, objects, parsed, unbroken
from runner.gateways.http.errors import Scene, cut_off, failure, not_a_reply
from runner.gateways.http.sse import EventLines

_NOWHERE = Scene()
_DONE = b"[DONE]"
_FINISHES: Mapping[str, FinishReason] = {
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
_FAILED_FINISHES = frozenset({"error", "abort", "insufficient_system_resource", "network_error"})


class Decoder:
    """The events of a stream, or one whole reply, to chunks."""

    def __init__(self, scene: Scene = _NOWHERE, echo: str = "") -> None:
        self.events = 0
        self.complete = False
        self.ended = False
        self._scene = scene
        self._echo = echo
        self._lines = EventLines()
        self._pairs = Pairs()
        self._thoughts = Pairs()
        self._details: list[dict[str, Any]] = []
        self._thinking: list[str] = []
        self._finish = ""
        self._refused = False
        self._usage: Usage | None = None
        self._model = ""

    def feed(self, data: bytes) -> Iterator[Chunk]:
        for _, payload in self._lines.feed(data):
            if payload == _DONE:
                yield from self._done()
                return
            self.events += 1
            event = parsed(payload, self._scene, f"event {self.events}")
            text = _plain_text(event)
            if text is None:
                yield from self._event(event)
            elif text := self._pairs.join(text):
                yield TextChunk(text)

    def end(self) -> Iterator[Chunk]:
        for _, payload in self._lines.end():
            if payload == _DONE:
                self.complete = True
            elif (event := unbroken(payload, self._scene)) is not None:
                self.events += 1
                yield from self._event(event)
        if self.ended:
            return
        if not self.complete:
            raise cut_off(self._scene, self.events)
        yield from self._done()

    def whole(self, data: bytes) -> Iterator[Chunk]:
        reply = parsed(data, self._scene)
        self.events = 1
        yield from self._event(reply)
        if not objects(reply.get("choices")):
            raise not_a_reply(self._scene, data, "application/json")
        yield from self._done()

    def _event(self, event: dict[str, Any]) -> Iterator[Chunk]:
        choices = objects(event.get("choices"))
        self._check(event, choices)
        self._model = a_text(event.get("model")) or self._model
        if counted := event.get("usage") or an_object(event.get("x_groq")).get("usage"):
            self._usage = _usage(an_object(counted))
        for choice in choices:
            if not choice.get("index"):
                yield from self._choice(choice)

    def _check(self, event: dict[str, Any], choices: list[dict[str, Any]]) -> None:
        """Raise the error that stands where a piece of the reply should."""
        if event.get("error"):
            raise failure(self._scene, event)
        for choice in choices:
            if choice.get("error"):
                raise failure(self._scene, choice)
            if (finish := a_text(choice.get("finish_reason"))) in _FAILED_FINISHES:
                raise failure(self._scene, {"code": "server_error", "message": f"the reply ended with {finish!r}"})
        if "choices" not in event and ("message" in event or "detail" in event or any("error" in key for key in event)):
            raise failure(self._scene, event)

    def _choice(self, choice: dict[str, Any]) -> Iterator[Chunk]:
        delta = an_object(choice["delta"] if "delta" in choice else choice.get("message"))
        thought = a_text(delta.get("reasoning_content")) or a_text(delta.get("reasoning"))
        yield from self._said(delta.get("content"), thought)
        self._details += objects(delta.get("reasoning_details"))
        if refusal := a_text(delta.get("refusal")):
            self._refused = True
            yield from self._said(refusal)
        asked = delta.get("tool_calls")
        for call in objects(asked if not isinstance(asked, dict) else [asked]):
            piece = _call(call)
            if piece.id or piece.name or piece.arguments is not None:
                yield piece
        if legacy := an_object(delta.get("function_call")):
            yield _call({"index": 0, "function": legacy})
        if reason := a_text(choice.get("finish_reason")):
            self._finish = self._finish or reason
            self.complete = True

    def _said(self, content: Any, thought: str = "") -> Iterator[Chunk]:
        """The chunks of text, or of a list of parts, as some servers send where they think."""
        if isinstance(content, list):
            for part in objects(content):
                inner = part.get("thinking")
                if isinstance(inner, list):
                    inner = "".join(a_text(each.get("text")) for each in objects(inner))
                yield from self._said(a_text(part.get("text")), a_text(inner))
            return
        if thought and (shown := self._thoughts.join(thought)):
            self._thinking.append(shown)
            yield ThinkingChunk(shown)
        if content and isinstance(content, str) and (text := self._pairs.join(content)):
            yield TextChunk(text)

    def _done(self) -> Iterator[Chunk]:
        self.complete = self.ended = True
        if rest := self._pairs.rest():
            yield TextChunk(rest)
        yield DoneChunk(
            "content_filter" if self._refused else _FINISHES.get(self._finish, "stop"),
            self._finish or "null",
            self._usage,
            self._model,
            self._opaque(),
        )

    def _opaque(self) -> Opaque | None:
        """The reasoning in the server's own form, where it wants it back."""
        kept = _woven(self._details) if self._echo == "reasoning_details" else "".join(self._thinking)
        return Opaque("openai", self._scene.model, {self._echo: kept}) if self._echo and kept else None


def _woven(pieces: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Details of reasoning out of their streamed pieces: neighbours of one kind and place are one."""
    whole: list[dict[str, Any]] = []
    for piece in pieces:
        last = whole[-1] if whole else {}
        same = all(last.get(key) == piece.get(key) for key in ("type", "index"))
        if not last or not same or (piece.get("id") and last.get("id") not in (None, piece["id"])):
            whole.append(dict(piece))
            continue
        for key, value in piece.items():
            if key in ("text", "summary", "data"):
                last[key] = a_text(last.get(key)) + a_text(value)
            elif value is not None:
                last[key] = value
    return whole


def _plain_text(event: dict[str, Any]) -> str | None:
    """The text of an event that holds nothing else, as most do; None for any other, which takes the long way."""
    try:
        choice = event["choices"][0]
        delta = choice["delta"]
        text = delta["content"]
        if len(delta) == 1 and type(text) is str and not (choice["finish_reason"] or event.get("usage")):
            return None if "error" in event or "error" in choice else text
    except (LookupError, TypeError):
        pass
    return None


def _call(call: dict[str, Any]) -> CallChunk:
    function = an_object(call.get("function"))
    index = call.get("index")
    arguments = function.get("arguments")
    return CallChunk(
        index if type(index) is int else None,
        a_text(call.get("id")),
        a_text(function.get("name")),
        arguments if isinstance(arguments, (str, dict)) else None,
    )


def _usage(counted: dict[str, Any]) -> Usage:
    return Usage(
        a_count(counted.get("prompt_tokens")),
        a_count(counted.get("completion_tokens")),
        a_count(an_object(counted.get("prompt_tokens_details")).get("cached_tokens")),
        a_count(an_object(counted.get("completion_tokens_details")).get("reasoning_tokens")),
    )
