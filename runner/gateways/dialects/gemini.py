"""The generateContent dialect of Gemini: whole calls in pieces of text, signatures that must come back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from runner.core.chunks import CallChunk, Chunk, DoneChunk, TextChunk, ThinkingChunk
from runner.core.messages import Attachment, FinishReason, Message, Opaque, ToolCall, ToolResult, ToolSpec, Usage
from runner.gateways import OPTIONS, Capabilities, Request
from runner.gateways.dialects.reply_events import EventDecoder, Pairs, a_count, a_text, an_object, objects, parsed
from runner.gateways.dialects.request_body import (
    Encoded,
    base64_of,
    body,
    calls_of,
    kept,
    options_in,
    output_text,
    plain_name,
    sendable,
    system_text,
    with_extra,
)
from runner.gateways.dialects.tool_schemas import inlined, is_open, openapi, parameters
from runner.gateways.http.errors import Scene, failure, not_a_reply
from runner.gateways.http.gateway import Remote

WINDOW = 1_048_576
UNSIGNED = "skip_thought_signature_validator"
"""What the API takes for the signature of a call that another model made."""

_GENERATION = re.compile(r"gemini-(\d+)")
_ROLES: Mapping[str, str] = {"user": "user", "tool": "user", "assistant": "model"}
_CHOICES: Mapping[str, str] = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
_OPTIONS: Mapping[str, str] = {
    "frequency_penalty": "frequencyPenalty",
    "max_tokens": "maxOutputTokens",
    "presence_penalty": "presencePenalty",
    "seed": "seed",
    "stop": "stopSequences",
    "temperature": "temperature",
    "top_k": "topK",
    "top_p": "topP",
}
_LACKS = OPTIONS - _OPTIONS.keys() - {"thinking"}
_LEVELS: Mapping[str, tuple[str, int]] = {
    "none": ("low", 0),
    "minimal": ("low", 512),
    "low": ("low", 1024),
    "medium": ("medium", 8192),
    "high": ("high", 24_576),
    "xhigh": ("high", 24_576),
    "max": ("high", 24_576),
}
"""How hard to think: the newer models' word, and the older ones' tokens."""

_FILTERED = re.compile(r"SAFETY|PROHIBITED|BLOCKLIST|SPII|RECITATION|MODEL_ARMOR|ESCALATION|PUP_")
_MISWRITTEN = re.compile(r"MALFORMED|UNEXPECTED_TOOL_CALL|TOO_MANY_TOOL_CALLS|MISSING_THOUGHT_SIGNATURE")
_MEMBERS = frozenset({"candidates", "promptFeedback", "usageMetadata", "error"})
_UNFINISHED = frozenset({"", "FINISH_REASON_UNSPECIFIED"})


class Gemini(Remote):
    """Google's Gemini."""

    dialect = "gemini"
    key_header = "x-goog-api-key"
    key_prefix = ""
    fixes: ClassVar[Mapping[str, str]] = {"ProtocolBroken": "check the gateway's url: is /v1beta missing?"}

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._encoded = Encoded(_parts)

    def capabilities(self, model: str) -> Capabilities:
        """What the model's name says; the server is not asked."""
        known = _generation(model) > 0
        return Capabilities(structured=known, window=WINDOW if known else None, lacks=_LACKS)

    def stream(self, request: Request) -> Iterator[Chunk]:
        verb = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
        model = request.model if "/" in request.model else f"models/{request.model}"
        decoder = Decoder(self.wire.scene(request.model))
        return self.wire.chunks(f"/{quote(model)}:{verb}", encode(request, self._encoded), request, decoder)


def _generation(model: str) -> int:
    """The first number of a Gemini's version, 0 for other models."""
    found = _GENERATION.search(model)
    return int(found[1]) if found else 0


def encode(request: Request, encoded: Encoded | None = None) -> bytes:
    """The body that asks for a reply."""
    generation = _generation(request.model)
    asked: dict[str, Any] = {}
    config = options_in(_OPTIONS, request)
    if "thinking" in request.options:
        config["thinkingConfig"] = _thinking(request.options["thinking"], generation)
    schema = inlined(request.schema or {})
    # Before the third generation a reply may be bound to tools or to a schema, not to both.
    as_words = is_open(schema) or (bool(request.tools) and generation < 3)
    if request.schema is not None and not as_words:
        config |= {"responseMimeType": "application/json", "responseSchema": openapi(schema)}
    if config:
        asked["generationConfig"] = config
    if system := system_text(request, as_words=as_words):
        asked["systemInstruction"] = {"parts": [{"text": system}]}
    if request.tools:
        asked["tools"] = [{"functionDeclarations": [_declared(spec) for spec in request.tools]}]
        mode = _CHOICES.get(request.tool_choice)
        wanted = {"mode": mode} if mode else {"mode": "ANY", "allowedFunctionNames": [request.tool_choice]}
        asked["toolConfig"] = {"functionCallingConfig": wanted}
    asked = with_extra(asked, request.options.get("extra"))
    turns = (encoded or Encoded(_parts)).in_turns(sendable(request.messages), request.model, _ROLES, "parts")
    return body(asked, "contents", turns)


def _thinking(wish: bool | str, generation: int) -> dict[str, Any]:
    if wish is True:
        return {"includeThoughts": True}
    level = wish or "none"
    word, tokens = _LEVELS.get(level, _LEVELS["medium"])
    depth = {"thinkingLevel": word} if generation >= 3 else {"thinkingBudget": tokens}
    return depth if level == "none" else {"includeThoughts": True} | depth


def _declared(spec: ToolSpec) -> dict[str, Any]:
    declared: dict[str, Any] = {"name": spec.name, "description": spec.description}
    plain = parameters(spec.parameters)
    return declared | {"parameters": openapi(plain)} if plain["properties"] else declared


def _parts(message: Message, model: str) -> list[dict[str, Any]]:
    """The parts of a message; no text among them is blank."""
    match message.role:
        case "assistant":
            calls = [_call(call) for call in calls_of(message)]
            if calls and _generation(model) >= 3:
                calls[0]["thoughtSignature"] = UNSIGNED
            return _kept(message, model) or [*_text(message.text), *calls]
        case "tool":
            files = [_file(file) for result in message.results for file in result.files]
            return [*map(_result, message.results), *files]
    return [*map(_file, message.files), *_text(message.text)]


def _kept(message: Message, model: str) -> list[dict[str, Any]]:
    """The parts as this model sent them, if the message is still what they say; calls get the ids of their results."""
    parts = kept(message, "gemini", model)
    called = [an_object(part["functionCall"]) for part in parts if "functionCall" in part]
    if [call.get("name") for call in called] != [call.name for call in message.calls]:
        return []
    ids = iter(plain_name(call.id) for call in message.calls)
    return [
        part | {"functionCall": part["functionCall"] | {"id": next(ids)}} if "functionCall" in part else part
        for part in parts
    ]


def _text(text: str) -> list[dict[str, Any]]:
    return [{"text": text}] if text.strip() else []


def _call(call: ToolCall) -> dict[str, Any]:
    arguments = {"not_json": call.raw} if call.arguments is None else dict(call.arguments)
    return {"functionCall": {"id": plain_name(call.id), "name": plain_name(call.name), "args": arguments}}


def _result(result: ToolResult) -> dict[str, Any]:
    said = {"error" if result.failed else "output": output_text(result)}
    named = {"id": plain_name(result.call_id), "name": plain_name(result.name)}
    return {"functionResponse": named | {"response": said}}


def _file(file: Attachment) -> dict[str, Any]:
    return {"inlineData": {"mimeType": file.media_type, "data": base64_of(file)}}


class Decoder(EventDecoder):
    """The events of generateContent, or one whole reply, to chunks."""

    def __init__(self, scene: Scene = Scene()) -> None:
        super().__init__(scene)
        self._pairs = Pairs()
        self._calls = 0
        self._finish = ""
        self._model = ""
        self._usage: dict[str, Any] = {}
        self._parts: list[dict[str, Any]] = []
        self._texts: list[str] = []

    def whole(self, data: bytes) -> Iterator[Chunk]:
        # Without alt=sse a stream is one array of what would be its events.
        inner = data.strip().removeprefix(b"[").removesuffix(b"]")
        replies = objects(parsed(b'{"replies":[%s]}' % inner, self._scene)["replies"])
        if not all(reply.keys() & _MEMBERS for reply in replies or [{}]):
            raise not_a_reply(self._scene, data, "application/json")
        for reply in replies:
            yield from self._taken(reply)
        yield from self._done()

    def _taken(self, event: dict[str, Any]) -> Iterator[Chunk]:
        self.events += bool(event.keys() & _MEMBERS)
        if event.get("error"):
            raise failure(self._scene, event)
        self._model = a_text(event.get("modelVersion")) or self._model
        self._usage |= an_object(event.get("usageMetadata"))
        if blocked := a_text(an_object(event.get("promptFeedback")).get("blockReason")):
            raise failure(self._scene, {"code": "content_filter", "message": f"the prompt was blocked: {blocked}"})
        for candidate in objects(event.get("candidates"))[:1]:
            for part in objects(an_object(candidate.get("content")).get("parts")):
                yield from self._part(part)
            self._ended(a_text(candidate.get("finishReason")), a_text(candidate.get("finishMessage")))

    def _part(self, part: dict[str, Any]) -> Iterator[Chunk]:
        text = self._pairs.join(a_text(part.get("text")))
        if part.get("thought"):
            if text:
                yield ThinkingChunk(text)
            if "thoughtSignature" in part:
                self._keep(part)
            return
        if text:
            yield TextChunk(text)
        if part.keys() == {"text"}:
            self._texts.append(text)
            return
        self._keep(part)
        if call := an_object(part.get("functionCall")):
            yield CallChunk(self._calls, a_text(call.get("id")), a_text(call.get("name")), an_object(call.get("args")))
            self._calls += 1

    def _keep(self, part: dict[str, Any] | None = None) -> None:
        """Close the text that came in pieces, so that a part with a signature stays one of its own."""
        if joined := "".join(self._texts):
            self._parts.append({"text": joined})
        self._texts = []
        if part is not None:
            self._parts.append(part)

    def _ended(self, reason: str, message: str) -> None:
        if reason in _UNFINISHED:
            return
        if _MISWRITTEN.search(reason):
            raise failure(self._scene, {"code": "tool_use_failed", "message": message or reason})
        self._finish = reason
        self.complete = True

    def _done(self) -> Iterator[Chunk]:
        self.complete = self.ended = True
        if rest := self._pairs.rest():
            yield TextChunk(rest)
        self._keep()
        finish: FinishReason = "tool_calls" if self._calls else "stop"
        if self._finish == "MAX_TOKENS":
            finish = "length"
        elif _FILTERED.search(self._finish):
            finish = "content_filter"
        yield DoneChunk(finish, self._finish, _usage(self._usage), self._model, self._opaque())

    def _opaque(self) -> Opaque | None:
        """The parts as they stand, if they say more than a text and calls do."""
        if all(part.keys() <= {"text", "functionCall"} for part in self._parts):
            return None
        return Opaque("gemini", self._scene.model, self._parts)


def _usage(counted: dict[str, Any]) -> Usage | None:
    if not counted:
        return None
    thoughts = a_count(counted.get("thoughtsTokenCount"))
    return Usage(
        a_count(counted.get("promptTokenCount")) + a_count(counted.get("toolUsePromptTokenCount")),
        a_count(counted.get("candidatesTokenCount")) + thoughts,
        a_count(counted.get("cachedContentTokenCount")),
        thoughts,
    )
