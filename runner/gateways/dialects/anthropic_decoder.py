"""What comes back in the Messages dialect, decoded; its blocks are kept as they came."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.core.chunks import CallChunk, Chunk, DoneChunk, TextChunk, ThinkingChunk, parse_arguments
from runner.core.errors import ProtocolBroken
from runner.core.messages import FinishReason, Opaque, Usage
from runner.core.sanitize import replace_surrogates
from runner.gateways.dialects.reply_events import EventDecoder, Pairs, a_count, a_text, an_object, objects, parsed
from runner.gateways.http.errors import Scene, failure, not_a_reply

_FINISHES: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
    "refusal": "content_filter",
}


class Decoder(EventDecoder):
    """The events of Messages, or one whole reply, to chunks."""

    def __init__(self, scene: Scene = Scene()) -> None:
        super().__init__(scene)
        self._model = ""
        self._stop = ""
        self._usage: dict[str, Any] = {}
        self._blocks: list[_Block] = []
        self._open: dict[int, _Block] = {}

    def whole(self, data: bytes) -> Iterator[Chunk]:
        reply = parsed(data, self._scene)
        self.events = 1
        if "error" in reply:
            raise failure(self._scene, reply)
        if "content" not in reply:
            raise not_a_reply(self._scene, data, "application/json")
        self._begun(reply)
        for index, block in enumerate(objects(reply["content"])):
            yield from self._opened(index, block)
        self._stop = a_text(reply.get("stop_reason"))
        yield from self._done()

    def _taken(self, event: dict[str, Any]) -> Iterator[Chunk]:
        kind = event.get("type")
        self.events += isinstance(kind, str) and kind != "ping"
        match kind:
            case "content_block_delta":
                yield from self._grown(event)
            case "content_block_start":
                yield from self._opened(a_count(event.get("index")), an_object(event.get("content_block")))
            case "message_start":
                self._begun(an_object(event.get("message")))
            case "message_delta":
                self._stop = a_text(an_object(event.get("delta")).get("stop_reason")) or self._stop
                self.complete = self.complete or bool(self._stop)
                self._counted(event)
            case "content_block_stop":
                yield from self._closed(a_count(event.get("index")))
            case "message_stop":
                yield from self._done()
            case _ if kind == "error" or "error" in event:
                raise failure(self._scene, event)

    def _begun(self, message: dict[str, Any]) -> None:
        self._model = a_text(message.get("model"))
        self._counted(message)

    def _counted(self, event: dict[str, Any]) -> None:
        """Take over usage: its numbers are running totals, and those that are left out stay."""
        self._usage |= {key: value for key, value in an_object(event.get("usage")).items() if value is not None}

    def _opened(self, index: int, head: dict[str, Any]) -> Iterator[Chunk]:
        block = self._open[index] = _Block(head)
        self._blocks.append(block)
        match block.kind:
            case "text" if text := replace_surrogates(a_text(head.get("text"))):
                yield TextChunk(text)
            case "thinking" if text := replace_surrogates(a_text(head.get("thinking"))):
                yield ThinkingChunk(text)
            case "tool_use":
                given = head.get("input")
                whole = given if isinstance(given, dict) and given else None
                yield CallChunk(index, a_text(head.get("id")), a_text(head.get("name")), whole)

    def _grown(self, event: dict[str, Any]) -> Iterator[Chunk]:
        index = a_count(event.get("index"))
        delta = an_object(event.get("delta"))
        block = self._open.get(index)
        if block is None:
            raise ProtocolBroken(
                f"{self._scene.name} went on with a part of its reply that it had not begun",
                why=f"event {self.events} belongs to block {index}",
            )
        match delta.get("type"):
            case "text_delta" if text := block.grow(delta.get("text")):
                yield TextChunk(text)
            case "input_json_delta" if (piece := block.grow(delta.get("partial_json"))) and block.kind == "tool_use":
                yield CallChunk(index, arguments=piece)
            case "thinking_delta" if text := block.grow(delta.get("thinking")):
                yield ThinkingChunk(text)
            case "signature_delta":
                block.head["signature"] = a_text(delta.get("signature"))
            case "citations_delta":
                block.head["citations"] = [*(block.head.get("citations") or ()), delta.get("citation")]

    def _closed(self, index: int) -> Iterator[Chunk]:
        """End a block, with what half a character at its end becomes."""
        block = self._open.get(index)
        if block is not None and (rest := block.rest()):
            yield ThinkingChunk(rest) if block.kind == "thinking" else TextChunk(rest)

    def _done(self) -> Iterator[Chunk]:
        self.complete = self.ended = True
        yield DoneChunk(
            _FINISHES.get(self._stop, "stop"),
            self._stop,
            _usage(self._usage),
            self._model,
            self._opaque(),
        )

    def _opaque(self) -> Opaque | None:
        """The blocks as they stand, if they say more than a text followed by calls does."""
        kinds = [block.kind for block in self._blocks if not block.blank]
        if kinds == sorted(kinds) and set(kinds) <= {"text", "tool_use"} and kinds.count("text") < 2:
            return None
        try:
            content = [block.closed() for block in self._blocks if not block.blank]
        except ValueError:
            return None
        return Opaque("anthropic", self._scene.model, content)


class _Block:
    """A part of the reply that is still arriving: how it began, and the pieces since."""

    def __init__(self, head: dict[str, Any]) -> None:
        self.head = dict(head)
        self.kind = a_text(head.get("type"))
        self.pieces: list[str] = []
        self._pairs = Pairs()

    def grow(self, piece: Any) -> str:
        """Take a piece; what of it may be shown."""
        text = self._pairs.join(a_text(piece))
        if text:
            self.pieces.append(text)
        return text

    def rest(self) -> str:
        """The stand-in for half a character that was left over; JSON is left as it came."""
        rest = self._pairs.rest() if self.kind in ("text", "thinking") else ""
        if rest:
            self.pieces.append(rest)
        return rest

    @property
    def blank(self) -> bool:
        """An empty text, which the server sends but does not take back."""
        return self.kind == "text" and not (a_text(self.head.get("text")) or any(self.pieces))

    def closed(self) -> dict[str, Any]:
        """The whole block, to be sent back byte for byte. Raises ValueError where its JSON was cut."""
        if not self.pieces:
            return self.head
        joined = "".join(self.pieces)
        if self.kind in ("text", "thinking"):
            return self.head | {self.kind: a_text(self.head.get(self.kind)) + joined}
        arguments, problem = parse_arguments(joined)
        if problem:
            raise ValueError(problem)
        return self.head | {"input": arguments}


def _usage(counted: dict[str, Any]) -> Usage | None:
    if not counted:
        return None
    cached = a_count(counted.get("cache_read_input_tokens"))
    written = a_count(counted.get("cache_creation_input_tokens"))
    return Usage(
        a_count(counted.get("input_tokens")) + cached + written,
        a_count(counted.get("output_tokens")),
        cached,
        a_count(an_object(counted.get("output_tokens_details")).get("thinking_tokens")),
    )
