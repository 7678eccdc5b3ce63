"""The native dialect of Ollama: lines of JSON, arguments as objects, and a context window that must be asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar
from urllib.parse import urlsplit

from runner.core.chunks import CallChunk, Chunk, DoneChunk, TextChunk, ThinkingChunk
from runner.core.errors import ProtocolBroken
from runner.core.messages import Message, ToolCall, ToolResult, Usage
from runner.gateways import Capabilities, Request
from runner.gateways.dialects.json_events import (
    SurrogateJoiner,
    as_count,
    as_object,
    as_objects,
    as_text,
    parse_object,
    parse_object_if_whole,
)
from runner.gateways.dialects.request_body import (
    MessageCache,
    function_declaration,
    object_with_list,
    result_text,
    sendable_calls,
    sendable_messages,
    to_base64,
    with_extra,
)
from runner.gateways.http.connection_errors import missing_terminator
from runner.gateways.http.error_context import ErrorContext
from runner.gateways.http.gateway import HttpGateway
from runner.gateways.http.sse import JsonLinesParser
from runner.gateways.http.status_errors import error_from_server
from runner.gateways.http.transport import JSON_LINES

_NO_CONTEXT = ErrorContext()
_PORT = 11434
_NO_SUCH_PATH = (404, 405)
_LACKS = frozenset({"parallel_calls", "tool_choice"})
_LEVELS = {"none": False, "minimal": "low", "xhigh": "max"}


class OllamaDecoder:
    """The lines of a stream, or one whole reply, to chunks."""

    def __init__(self, context: ErrorContext = _NO_CONTEXT) -> None:
        self.events = 0
        self.complete = False
        self.ended = False
        self._context = context
        self._parser = JsonLinesParser()
        self._text_joiner = SurrogateJoiner()
        self._thinking_joiner = SurrogateJoiner()
        self._calls = 0

    def feed(self, data: bytes) -> Iterator[Chunk]:
        for line in self._parser.feed(data):
            yield from self._on_line(parse_object(line, self._context, f"line {self.events + 1}"))

    def end(self) -> Iterator[Chunk]:
        for rest in self._parser.end():
            if (line := parse_object_if_whole(rest, self._context)) is not None:
                yield from self._on_line(line)
        if not self.ended:
            raise missing_terminator(self._context, self.events)

    def decode_document(self, data: bytes) -> Iterator[Chunk]:
        yield from self._on_line(parse_object(data, self._context))
        if not self.ended:
            raise missing_terminator(self._context, self.events)

    def _on_line(self, line: dict[str, Any]) -> Iterator[Chunk]:
        if "message" not in line and "done" not in line:
            raise error_from_server(self._context, line)
        if line.get("error"):
            raise error_from_server(self._context, line)
        self.events += 1
        message = as_object(line.get("message"))
        if thought := self._thinking_joiner.join(as_text(message.get("thinking"))):
            yield ThinkingChunk(thought)
        if text := self._text_joiner.join(as_text(message.get("content"))):
            yield TextChunk(text)
        for call in as_objects(message.get("tool_calls")):
            yield self._tool_call_chunk(call)
        if line.get("done"):
            yield from self._on_done(line)

    def _tool_call_chunk(self, call: dict[str, Any]) -> CallChunk:
        """A call comes whole, so each is a new one; some models write its arguments as text."""
        function = as_object(call.get("function"))
        arguments = function.get("arguments")
        self._calls += 1
        return CallChunk(
            self._calls,
            as_text(call.get("id")),
            as_text(function.get("name")),
            arguments if isinstance(arguments, (str, dict)) else {},
        )

    def _on_done(self, line: dict[str, Any]) -> Iterator[Chunk]:
        self.complete = self.ended = True
        if thought := self._thinking_joiner.flush():
            yield ThinkingChunk(thought)
        if rest := self._text_joiner.flush():
            yield TextChunk(rest)
        reason = as_text(line.get("done_reason"))
        counted = "prompt_eval_count" in line or "eval_count" in line
        usage = Usage(as_count(line.get("prompt_eval_count")), as_count(line.get("eval_count")))
        yield DoneChunk(
            "length" if reason == "length" else "stop",
            reason or "null",
            usage if counted else None,
            as_text(line.get("model")),
        )


class Ollama(HttpGateway):
    """An Ollama server: where OLLAMA_HOST says, or at `url`, in any of the spellings that Ollama itself takes."""

    dialect = "ollama"
    models_path = "/api/tags"
    first_token: ClassVar[float] = 300.0
    fixes: ClassVar[Mapping[str, str]] = {
        "ModelMissing": "ollama pull {model}",
        "ProtocolBroken": "set the gateway's url to that of the server alone, such as http://localhost:11434",
        "Unreachable": "ollama serve",
    }

    @staticmethod
    def _normalized_url(url: str) -> str:
        return server_url(url)

    @cached_property
    def _capabilities_of_models(self) -> dict[str, Capabilities]:
        return {}

    @cached_property
    def _message_cache(self) -> MessageCache:
        return MessageCache(_messages)

    def capabilities(self, model: str) -> Capabilities:
        """What /api/show says of the model; asked once. Raises GatewayError: Unreachable, ModelMissing."""
        if model not in self._capabilities_of_models:
            self._capabilities_of_models[model] = _capabilities(self._description(model))
        return self._capabilities_of_models[model]

    def _description(self, model: str) -> Any:
        """What the server says of the model: nothing, if it imitates Ollama and can only chat."""
        try:
            return self.transport.post_json("/api/show", {"model": model}, model=model)
        except ProtocolBroken as error:
            if error.status not in _NO_SUCH_PATH:
                raise
            return {}

    def stream(self, request: Request) -> Iterator[Chunk]:
        """The reply's chunks, a DoneChunk last. Raises GatewayError, Cancelled."""
        decoder = OllamaDecoder(self.transport.error_context(request.model))
        return self.transport.stream("/api/chat", self.encode(request), request, decoder, accept=JSON_LINES)

    def encode(self, request: Request) -> bytes:
        """The body of a request."""
        system = {"role": "system", "content": request.system} if request.system else None
        return object_with_list(
            _fields(request),
            "messages",
            self._message_cache.encode_list(sendable_messages(request.messages), before=system),
        )


def server_url(value: str) -> str:
    """The url that a value of OLLAMA_HOST means: host, host:port, :port, with or without scheme, path or brackets.

    Addresses to listen at, such as 0.0.0.0, mean this machine to a client.
    """
    text = value.strip().strip("\"'").rstrip("/")
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "http", text
    rest, slash, path = rest.partition("/")
    if rest.count(":") > 1 and not rest.startswith("["):
        rest = f"[{rest}]"
    parts = urlsplit(f"//{rest}")
    host = parts.hostname or "127.0.0.1"
    try:
        port = parts.port
    except ValueError:
        port = None
    if port is None:
        port = {"http": 80, "https": 443}[scheme] if separator and scheme in ("http", "https") else _PORT
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    netloc = f"[{host}]" if ":" in host else host
    return f"{scheme}://{netloc}:{port}{slash}{path}"


def _fields(request: Request) -> dict[str, Any]:
    """Everything of the body but the messages; options that Ollama has at the top are lifted out of `options`."""
    options = dict(request.options)
    extra = options.pop("extra", {})
    thinking = options.pop("thinking", None)
    options.pop("parallel_calls", None)
    if "max_tokens" in options:
        options["num_predict"] = options.pop("max_tokens")
    if isinstance(options.get("stop"), str):
        options["stop"] = [options["stop"]]
    if request.window:
        options["num_ctx"] = request.window
    fields: dict[str, Any] = {"model": request.model, "stream": request.stream, "options": options}
    if thinking is not None:
        fields["think"] = _LEVELS.get(thinking, thinking)
    if request.tools and request.tool_choice != "none":
        fields["tools"] = [function_declaration(spec) for spec in request.tools]
    if request.schema is not None:
        fields["format"] = dict(request.schema)
    return with_extra(fields, extra)


def _messages(message: Message, model: str) -> Iterator[dict[str, Any]]:
    if message.role == "tool":
        yield from map(_tool_message, message.results)
        return
    encoded: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.files:
        encoded["images"] = [to_base64(file) for file in message.files]
    if calls := sendable_calls(message):
        encoded["tool_calls"] = [_tool_call(call) for call in calls]
        if message.thinking:
            encoded["thinking"] = message.thinking
    yield encoded


def _tool_message(result: ToolResult) -> dict[str, Any]:
    content = result_text(result)
    encoded = {"role": "tool", "tool_name": result.name, "tool_call_id": result.call_id, "content": content}
    return encoded | {"images": [to_base64(file) for file in result.files]} if result.files else encoded


def _tool_call(call: ToolCall) -> dict[str, Any]:
    arguments = dict(call.arguments) if call.arguments is not None else {"not_json": call.raw}
    return {"id": call.id, "function": {"name": call.name, "arguments": arguments}}


def _capabilities(answer: Any) -> Capabilities:
    """What a server's description of a model says; older servers say nothing of capabilities."""
    description = as_object(answer)
    listed = description.get("capabilities")
    abilities = set(listed) if isinstance(listed, list) else {"tools", "thinking", "vision"}
    return Capabilities(
        tools="tools" in abilities,
        thinking="thinking" in abilities,
        images="vision" in abilities,
        structured=True,
        truncates=True,
        lacks=_LACKS,
        window=_window(description),
    )


def _window(description: dict[str, Any]) -> int | None:
    """The context window: the Modelfile's num_ctx, else what the model was made for."""
    for line in as_text(description.get("parameters")).splitlines():
        name, _, value = line.strip().partition(" ")
        if name == "num_ctx" and value.strip().isdecimal():
            return int(value)
    for key, value in as_object(description.get("model_info")).items():
        if key.endswith(".context_length") and as_count(value) > 0:
            return as_count(value)
    return None
