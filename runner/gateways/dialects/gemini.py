"""The generateContent dialect of Gemini: whole calls in pieces of text, signatures that must come back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from runner.core.chunks import CallChunk, Chunk, DoneChunk, TextChunk, ThinkingChunk
from runner.core.messages import Attachment, FinishReason, Message, Opaque, ToolCall, ToolResult, ToolSpec, Usage
from runner.core.schema_refs import inline_refs_leniently
from runner.gateways import OPTIONS, Capabilities, Request
from runner.gateways.dialects.json_events import (
    SseDecoder,
    SurrogateJoiner,
    as_count,
    as_object,
    as_objects,
    as_text,
    parse_object,
)
from runner.gateways.dialects.request_body import (
    MessageCache,
    object_with_list,
    opaque_content,
    output_text,
    safe_name,
    sendable_calls,
    sendable_messages,
    system_text,
    to_base64,
    translated_options,
    with_extra,
)
from runner.gateways.dialects.tool_schemas import is_open, parameters_schema, to_openapi
from runner.gateways.http.connection_errors import not_a_reply
from runner.gateways.http.error_context import ErrorContext
from runner.gateways.http.gateway import HttpGateway
from runner.gateways.http.status_errors import error_from_server

WINDOW = 1_048_576
UNSIGNED = "skip_thought_signature_validator"
"""What the API takes for the signature of a call that another model made."""

_GENERATION = re.compile(r"gemini-(\d+)")
_ROLES: Mapping[str, str] = {"user": "user", "tool": "user", "assistant": "model"}
_CALLING_MODES: Mapping[str, str] = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
_OPTION_NAMES: Mapping[str, str] = {
    "frequency_penalty": "frequencyPenalty",
    "max_tokens": "maxOutputTokens",
    "presence_penalty": "presencePenalty",
    "seed": "seed",
    "stop": "stopSequences",
    "temperature": "temperature",
    "top_k": "topK",
    "top_p": "topP",
}
_LACKS = OPTIONS.difference(_OPTION_NAMES, {"thinking"})
_LEVELS: Mapping[str, tuple[str, int]] = {
    "none": ("low", 0),
    "minimal": ("low", 512),
    "low": ("low", 1024),
    "medium": ("medium", 8192),
    "high": ("high", 24_576),
    "xhigh": ("high", 24_576),
    "max": ("high", 24_576),
}
"""How hard to think: the newer models' level, and the older ones' budget of tokens."""

_CONTENT_FILTER = re.compile(r"SAFETY|PROHIBITED|BLOCKLIST|SPII|RECITATION|MODEL_ARMOR|ESCALATION|PUP_")
_INVALID_CALL = re.compile(r"MALFORMED|UNEXPECTED_TOOL_CALL|TOO_MANY_TOOL_CALLS|MISSING_THOUGHT_SIGNATURE")
_MEMBERS = frozenset({"candidates", "promptFeedback", "usageMetadata", "error"})
_UNFINISHED = frozenset({"", "FINISH_REASON_UNSPECIFIED"})


class Gemini(HttpGateway):
    """Google's Gemini."""

    dialect = "gemini"
    models_path = "/models"
    key_header = "x-goog-api-key"
    key_prefix = ""
    fixes: ClassVar[Mapping[str, str]] = {"ProtocolBroken": "check the gateway's url: is /v1beta missing?"}

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        self._message_cache = MessageCache(_parts)

    def capabilities(self, model: str) -> Capabilities:
        """What the model's name says; the server is not asked."""
        known = _generation(model) > 0
        return Capabilities(structured=known, window=WINDOW if known else None, lacks=_LACKS)

    def stream(self, request: Request) -> Iterator[Chunk]:
        verb = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
        model = request.model if "/" in request.model else f"models/{request.model}"
        decoder = GeminiDecoder(self.transport.error_context(request.model))
        return self.transport.stream(f"/{quote(model)}:{verb}", encode(request, self._message_cache), request, decoder)


def _generation(model: str) -> int:
    """The first number of a Gemini's version, 0 for other models."""
    match = _GENERATION.search(model)
    return int(match[1]) if match else 0


def encode(request: Request, message_cache: MessageCache | None = None) -> bytes:
    """The body that asks for a reply."""
    generation = _generation(request.model)
    fields: dict[str, Any] = {}
    config = translated_options(_OPTION_NAMES, request)
    if "thinking" in request.options:
        config["thinkingConfig"] = _thinking(request.options["thinking"], generation)
    schema = inline_refs_leniently(request.schema or {})
    # Before the third generation a reply may be bound to tools or to a schema, not to both.
    schema_as_text = is_open(schema) or (bool(request.tools) and generation < 3)
    if request.schema is not None and not schema_as_text:
        config |= {"responseMimeType": "application/json", "responseSchema": to_openapi(schema)}
    if config:
        fields["generationConfig"] = config
    if system := system_text(request, schema_as_text=schema_as_text):
        fields["systemInstruction"] = {"parts": [{"text": system}]}
    if request.tools:
        fields["tools"] = [{"functionDeclarations": [_function_declaration(spec) for spec in request.tools]}]
        mode = _CALLING_MODES.get(request.tool_choice)
        calling = {"mode": mode} if mode else {"mode": "ANY", "allowedFunctionNames": [request.tool_choice]}
        fields["toolConfig"] = {"functionCallingConfig": calling}
    fields = with_extra(fields, request.options.get("extra"))
    messages = (message_cache or MessageCache(_parts)).encode_by_role(
        sendable_messages(request.messages), request.model, _ROLES, "parts"
    )
    return object_with_list(fields, "contents", b",".join(messages))


def _thinking(option: bool | str, generation: int) -> dict[str, Any]:
    if option is True:
        return {"includeThoughts": True}
    level = option or "none"
    level_name, tokens = _LEVELS.get(level, _LEVELS["medium"])
    effort = {"thinkingLevel": level_name} if generation >= 3 else {"thinkingBudget": tokens}
    return effort if level == "none" else {"includeThoughts": True} | effort


def _function_declaration(spec: ToolSpec) -> dict[str, Any]:
    declaration: dict[str, Any] = {"name": spec.name, "description": spec.description}
    schema = parameters_schema(spec.parameters)
    return declaration | {"parameters": to_openapi(schema)} if schema["properties"] else declaration


def _parts(message: Message, model: str) -> list[dict[str, Any]]:
    """The parts of a message; no text among them is blank."""
    match message.role:
        case "assistant":
            calls = [_call(call) for call in sendable_calls(message)]
            if calls and _generation(model) >= 3:
                calls[0]["thoughtSignature"] = UNSIGNED
            return _as_received(message, model) or [*_text(message.text), *calls]
        case "tool":
            files = [_file(file) for result in message.results for file in result.files]
            return [*map(_result, message.results), *files]
    return [*map(_file, message.files), *_text(message.text)]


def _as_received(message: Message, model: str) -> list[dict[str, Any]]:
    """The parts as this model sent them, if the message still has their calls, which get the ids of their results."""
    parts = opaque_content(message, "gemini", model)
    calls = [as_object(part["functionCall"]) for part in parts if "functionCall" in part]
    if [call.get("name") for call in calls] != [call.name for call in message.calls]:
        return []
    ids = iter(safe_name(call.id) for call in message.calls)
    return [
        part | {"functionCall": part["functionCall"] | {"id": next(ids)}} if "functionCall" in part else part
        for part in parts
    ]


def _text(text: str) -> list[dict[str, Any]]:
    return [{"text": text}] if text.strip() else []


def _call(call: ToolCall) -> dict[str, Any]:
    arguments = {"not_json": call.raw} if call.arguments is None else dict(call.arguments)
    return {"functionCall": {"id": safe_name(call.id), "name": safe_name(call.name), "args": arguments}}


def _result(result: ToolResult) -> dict[str, Any]:
    response = {"error" if result.failed else "output": output_text(result)}
    identity = {"id": safe_name(result.call_id), "name": safe_name(result.name)}
    return {"functionResponse": identity | {"response": response}}


def _file(file: Attachment) -> dict[str, Any]:
    return {"inlineData": {"mimeType": file.media_type, "data": to_base64(file)}}


class GeminiDecoder(SseDecoder):
    """The events of generateContent, or one whole reply, to chunks."""

    def __init__(self, context: ErrorContext = ErrorContext()) -> None:
        super().__init__(context)
        self._text_joiner = SurrogateJoiner()
        self._calls = 0
        self._finish_reason = ""
        self._model = ""
        self._usage: dict[str, Any] = {}
        self._parts: list[dict[str, Any]] = []
        self._text_pieces: list[str] = []

    def decode_document(self, data: bytes) -> Iterator[Chunk]:
        # Without alt=sse a stream is one array of what would be its events.
        inner = data.strip().removeprefix(b"[").removesuffix(b"]")
        replies = as_objects(parse_object(b'{"replies":[%s]}' % inner, self._context)["replies"])
        if not all(reply.keys() & _MEMBERS for reply in replies or [{}]):
            raise not_a_reply(self._context, data, "application/json")
        for reply in replies:
            yield from self._on_event(reply)
        yield from self._on_end()

    def _on_event(self, event: dict[str, Any]) -> Iterator[Chunk]:
        self.events += bool(event.keys() & _MEMBERS)
        if event.get("error"):
            raise error_from_server(self._context, event)
        self._model = as_text(event.get("modelVersion")) or self._model
        self._usage |= as_object(event.get("usageMetadata"))
        if blocked := as_text(as_object(event.get("promptFeedback")).get("blockReason")):
            raise error_from_server(
                self._context, {"code": "content_filter", "message": f"the prompt was blocked: {blocked}"}
            )
        for candidate in as_objects(event.get("candidates"))[:1]:
            for part in as_objects(as_object(candidate.get("content")).get("parts")):
                yield from self._on_part(part)
            self._on_finish_reason(as_text(candidate.get("finishReason")), as_text(candidate.get("finishMessage")))

    def _on_part(self, part: dict[str, Any]) -> Iterator[Chunk]:
        text = self._text_joiner.join(as_text(part.get("text")))
        if part.get("thought"):
            if text:
                yield ThinkingChunk(text)
            if "thoughtSignature" in part:
                self._append_part(part)
            return
        if text:
            yield TextChunk(text)
        if part.keys() == {"text"}:
            self._text_pieces.append(text)
            return
        self._append_part(part)
        if call := as_object(part.get("functionCall")):
            yield CallChunk(
                self._calls, as_text(call.get("id")), as_text(call.get("name")), as_object(call.get("args"))
            )
            self._calls += 1

    def _append_part(self, part: dict[str, Any] | None = None) -> None:
        """Close the text that came in pieces, so that a part with a signature stays one of its own."""
        if joined := "".join(self._text_pieces):
            self._parts.append({"text": joined})
        self._text_pieces = []
        if part is not None:
            self._parts.append(part)

    def _on_finish_reason(self, reason: str, message: str) -> None:
        if reason in _UNFINISHED:
            return
        if _INVALID_CALL.search(reason):
            raise error_from_server(self._context, {"code": "tool_use_failed", "message": message or reason})
        self._finish_reason = reason
        self.complete = True

    def _on_end(self) -> Iterator[Chunk]:
        self.complete = self.ended = True
        if rest := self._text_joiner.flush():
            yield TextChunk(rest)
        self._append_part()
        finish: FinishReason = "tool_calls" if self._calls else "stop"
        if self._finish_reason == "MAX_TOKENS":
            finish = "length"
        elif _CONTENT_FILTER.search(self._finish_reason):
            finish = "content_filter"
        yield DoneChunk(finish, self._finish_reason, _usage(self._usage), self._model, self._opaque())

    def _opaque(self) -> Opaque | None:
        """The parts as they stand, if they say more than a text and calls do."""
        if all(part.keys() <= {"text", "functionCall"} for part in self._parts):
            return None
        return Opaque("gemini", self._context.model, self._parts)


def _usage(usage: dict[str, Any]) -> Usage | None:
    if not usage:
        return None
    thoughts = as_count(usage.get("thoughtsTokenCount"))
    return Usage(
        as_count(usage.get("promptTokenCount")) + as_count(usage.get("toolUsePromptTokenCount")),
        as_count(usage.get("candidatesTokenCount")) + thoughts,
        as_count(usage.get("cachedContentTokenCount")),
        thoughts,
    )
