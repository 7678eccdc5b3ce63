"""The Messages dialect of Anthropic, in both versions of its API, and of the servers that imitate it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from runner.core.chunks import CallChunk, Chunk, DoneChunk, TextChunk, ThinkingChunk, parse_arguments
from runner.core.errors import ProtocolBroken
from runner.core.messages import Attachment, Message, Opaque, ToolCall, ToolResult, Usage, clean
from runner.gateways import CATALOGUE, Capabilities, Request
from runner.gateways.bodies import Encoded, base64_of, body, calls_of, plain_name, result_text, sendable, system_text
from runner.gateways.failures import Scene, cut_off, failure
from runner.gateways.keys import host_of
from runner.gateways.payloads import Pairs, Payloads, a_count, a_text, an_object, objects, parsed
from runner.gateways.remote import Remote
from runner.gateways.schemas import closed, parameters

_FINISHES: Mapping[str, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
    "refusal": "content_filter",
}

WITH_SAMPLING = "2023-06-01"
WITHOUT_SAMPLING = "2026-10-21"
MAX_TOKENS = 8192
WINDOW = 200_000
_FIRST = (0, 0)
_UNSAMPLED = (4, 7)
_CHOICES: Mapping[str, str] = {"none": "none", "required": "any"}
_ROLES: Mapping[str, str] = {"user": "user", "tool": "user", "assistant": "assistant"}

_VERSION = re.compile(r"claude-(?:[a-z]+-)*(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
_OPTIONS: Mapping[str, str] = {
    "max_tokens": "max_tokens",
    "stop": "stop_sequences",
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
}


class Anthropic(Remote):
    """Claude, or a server that speaks its dialect.

    Quirks: `version` of the API, and `max_tokens`, which the API demands, for where the agent file sets none.
    """

    dialect = "anthropic"
    key_header = "x-api-key"
    key_prefix = ""
    known_quirks: ClassVar[Mapping[str, Any]] = {"version": "", "max_tokens": MAX_TOKENS}

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._encoded = Encoded(_blocks)

    def capabilities(self, model: str) -> Capabilities:
        """What the model's name and the API's version say; the server is not asked."""
        version = _version(model)
        if version is None:
            return Capabilities(sampling=self._api(model) == WITH_SAMPLING)
        return Capabilities(
            thinking=version >= (3, 7),
            sampling=self._api(model) == WITH_SAMPLING and version < _UNSAMPLED,
            structured=version >= (4, 5),
            window=WINDOW,
        )

    def stream(self, request: Request) -> Iterator[Chunk]:
        asked = encode(request, self._encoded, max_tokens=self.quirks["max_tokens"])
        decoder = Decoder(self.wire.scene(request.model))
        path = "/messages" if self.wire.url.endswith("/v1") else "/v1/messages"
        return self.wire.chunks(path, asked, request, decoder, headers={"anthropic-version": self._api(request.model)})

    def _api(self, model: str) -> str:
        """The version of the API: the user's, else the one in which the model takes all that it can take."""
        own = host_of(self.wire.url) == host_of(CATALOGUE["anthropic"].url)
        newest = own and (_version(model) or _FIRST) >= _UNSAMPLED
        said = self.wire.key.extra.get("anthropic-version") or str(self.quirks["version"])
        return said or (WITHOUT_SAMPLING if newest else WITH_SAMPLING)


def _version(model: str) -> tuple[int, int] | None:
    """Claude's version in a model's name: claude-3-5-haiku-latest is (3, 5), claude-opus-4-20250514 (4, 0)."""
    found = _VERSION.search(model)
    return (int(found[1]), int(found[2] or 0)) if found else None


def encode(request: Request, encoded: Encoded | None = None, *, max_tokens: int = MAX_TOKENS) -> bytes:
    """The body that asks for a reply."""
    asked: dict[str, Any] = {"model": request.model, "max_tokens": max_tokens, "stream": request.stream}
    asked |= {_OPTIONS[key]: value for key, value in request.options.items() if key in _OPTIONS and value is not None}
    if isinstance(asked.get("stop_sequences"), str):
        asked["stop_sequences"] = [asked["stop_sequences"]]
    schema = closed(request.schema)
    if system := system_text(request, as_words=schema is None):
        asked["system"] = system
    if request.tools:
        asked["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": parameters(tool.parameters)}
            for tool in request.tools
        ]
        if request.tool_choice != "auto":
            kind = _CHOICES.get(request.tool_choice)
            asked["tool_choice"] = {"type": kind} if kind else {"type": "tool", "name": request.tool_choice}
    if schema is not None:
        asked["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    asked |= request.options.get("extra") or {}
    turns = (encoded or Encoded(_blocks)).in_turns(sendable(request.messages), request.model, _ROLES, "content")
    return body(asked, "messages", turns)


def _blocks(message: Message, model: str) -> list[dict[str, Any]]:
    """The content blocks of a message; no text among them is blank."""
    match message.role:
        case "assistant":
            return _kept(message, model) or [*_text(message.text), *map(_call, calls_of(message))]
        case "tool":
            return [*map(_result, message.results)]
    return [*map(_file, message.files), *_text(message.text)]


def _kept(message: Message, model: str) -> list[dict[str, Any]]:
    """The blocks as this model sent them, if the message is still what they say."""
    kept = message.opaque
    if kept is None or (kept.dialect, kept.model) != ("anthropic", model) or not message.complete:
        return []
    blocks = objects(kept.content)
    called = [block.get("id") for block in blocks if block.get("type") == "tool_use"]
    return blocks if called == [call.id for call in message.calls] else []


def _text(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text}] if text.strip() else []


def _call(call: ToolCall) -> dict[str, Any]:
    arguments = call.arguments if call.arguments is not None else {"INVALID_JSON": call.raw}
    return {"type": "tool_use", "id": plain_name(call.id), "name": plain_name(call.name), "input": dict(arguments)}


def _result(result: ToolResult) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": plain_name(result.call_id)}
    content = [*_text(result_text(result)), *map(_file, result.files)]
    if content:
        block["content"] = content
    return block | {"is_error": True} if result.failed else block


def _file(file: Attachment) -> dict[str, Any]:
    source = {"type": "base64", "media_type": file.media_type, "data": base64_of(file)}
    return {"type": "image" if file.media_type.startswith("image/") else "document", "source": source}


class Decoder:
    """The events of Messages, or one whole reply, to chunks."""

    def __init__(self, scene: Scene = Scene()) -> None:
        self.events = 0
        self.complete = False
        self.ended = False
        self._scene = scene
        self._payloads = Payloads(scene)
        self._model = ""
        self._stop = ""
        self._usage: dict[str, Any] = {}
        self._blocks: list[_Block] = []
        self._open: dict[int, _Block] = {}

    def feed(self, data: bytes) -> Iterator[Chunk]:
        for event in self._payloads.feed(data):
            yield from self._taken(event)

    def end(self) -> Iterator[Chunk]:
        for event in self._payloads.end():
            yield from self._taken(event)
        if self.events and not self.complete:
            raise cut_off(self._scene, self.events)
        if self.complete and not self.ended:
            yield from self._done()

    def whole(self, data: bytes) -> Iterator[Chunk]:
        reply = parsed(data, self._scene)
        if "content" not in reply:
            raise failure(self._scene, reply)
        self._begun(reply)
        for index, block in enumerate(objects(reply["content"])):
            yield from self._opened(index, block)
        self._stop = a_text(reply.get("stop_reason"))
        yield from self._done()

    def _taken(self, event: dict[str, Any]) -> Iterator[Chunk]:
        kind = event.get("type")
        self.events += kind != "ping"
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
                self._count(event)
            case "content_block_stop":
                yield from self._closed(a_count(event.get("index")))
            case "message_stop":
                yield from self._done()
            case _ if kind == "error" or "error" in event:
                raise failure(self._scene, event)

    def _begun(self, message: dict[str, Any]) -> None:
        self._model = a_text(message.get("model"))
        self._count(message)

    def _count(self, event: dict[str, Any]) -> None:
        """Take over usage: its numbers are running totals, and those that are left out stay."""
        self._usage |= {key: value for key, value in an_object(event.get("usage")).items() if value is not None}

    def _opened(self, index: int, head: dict[str, Any]) -> Iterator[Chunk]:
        block = self._open[index] = _Block(head)
        self._blocks.append(block)
        match block.kind:
            case "text" if text := clean(a_text(head.get("text"))):
                yield TextChunk(text)
            case "thinking" if text := clean(a_text(head.get("thinking"))):
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
