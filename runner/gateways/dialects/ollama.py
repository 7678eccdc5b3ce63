"""The native dialect of Ollama: lines of JSON, arguments as objects, and a context window that must be asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar
from urllib.parse import urlsplit

from runner.core.chunks import CallChunk, Chunk, DoneChunk, TextChunk, ThinkingChunk
from runner.core.errors import ProtocolBroken
from runner.core.messages import Message, ToolCall, Usage
from runner.gateways import Capabilities, Request
from runner.gateways.dialects.reply_events import Pairs, a_count, a_text, an_object, objects, parsed, unbroken
from runner.gateways.dialects.request_body import (
    Encoded,
    base64_of,
    body,
    calls_of,
    declared,
    result_text,
    sendable,
    with_extra,
)
from runner.gateways.http.errors import Scene, cut_off, failure
from runner.gateways.http.gateway import Remote
from runner.gateways.http.request import JSON_LINES
from runner.gateways.http.sse import JsonLines

_NOWHERE = Scene()
_PORT = 11434
_NO_SUCH_PATH = (404, 405)
_LACKS = frozenset({"parallel_calls", "tool_choice"})
_LEVELS = {"none": False, "minimal": "low", "xhigh": "max"}


class Decoder:
    """The lines of a stream, or one whole reply, to chunks."""

    def __init__(self, scene: Scene = _NOWHERE) -> None:
        self.events = 0
        self.complete = False
        self.ended = False
        self._scene = scene
        self._lines = JsonLines()
        self._texts = Pairs()
        self._thoughts = Pairs()
        self._calls = 0

    def feed(self, data: bytes) -> Iterator[Chunk]:
        for line in self._lines.feed(data):
            yield from self._line(parsed(line, self._scene, f"line {self.events + 1}"))

    def end(self) -> Iterator[Chunk]:
        for last in self._lines.end():
            if (line := unbroken(last, self._scene)) is not None:
                yield from self._line(line)
        if not self.ended:
            raise cut_off(self._scene, self.events)

    def whole(self, data: bytes) -> Iterator[Chunk]:
        yield from self._line(parsed(data, self._scene))
        if not self.ended:
            raise cut_off(self._scene, self.events)

    def _line(self, line: dict[str, Any]) -> Iterator[Chunk]:
        if "message" not in line and "done" not in line:
            raise failure(self._scene, line)
        if line.get("error"):
            raise failure(self._scene, line)
        self.events += 1
        message = an_object(line.get("message"))
        if thought := self._thoughts.join(a_text(message.get("thinking"))):
            yield ThinkingChunk(thought)
        if text := self._texts.join(a_text(message.get("content"))):
            yield TextChunk(text)
        for call in objects(message.get("tool_calls")):
            yield self._call(call)
        if line.get("done"):
            yield from self._done(line)

    def _call(self, call: dict[str, Any]) -> CallChunk:
        """A call comes whole, so each is a new one; some models write its arguments as text."""
        function = an_object(call.get("function"))
        arguments = function.get("arguments")
        self._calls += 1
        return CallChunk(
            self._calls,
            a_text(call.get("id")),
            a_text(function.get("name")),
            arguments if isinstance(arguments, (str, dict)) else {},
        )

    def _done(self, line: dict[str, Any]) -> Iterator[Chunk]:
        self.complete = self.ended = True
        if thought := self._thoughts.rest():
            yield ThinkingChunk(thought)
        if rest := self._texts.rest():
            yield TextChunk(rest)
        reason = a_text(line.get("done_reason"))
        counted = "prompt_eval_count" in line or "eval_count" in line
        usage = Usage(a_count(line.get("prompt_eval_count")), a_count(line.get("eval_count")))
        yield DoneChunk(
            "length" if reason == "length" else "stop",
            reason or "null",
            usage if counted else None,
            a_text(line.get("model")),
        )


class Ollama(Remote):
    """An Ollama server: where OLLAMA_HOST says, or at `url`, in any of the spellings that Ollama itself takes."""

    dialect = "ollama"
    first_token: ClassVar[float] = 300.0
    fixes: ClassVar[Mapping[str, str]] = {
        "ModelMissing": "ollama pull {model}",
        "ProtocolBroken": "set the gateway's url to that of the server alone, such as http://localhost:11434",
        "Unreachable": "ollama serve",
    }

    @staticmethod
    def _spelled_out(url: str) -> str:
        return address(url)

    @cached_property
    def _shown(self) -> dict[str, Capabilities]:
        return {}

    @cached_property
    def _encoded(self) -> Encoded:
        return Encoded(_messages)

    def capabilities(self, model: str) -> Capabilities:
        """What /api/show says of the model; asked once. Raises GatewayError: Unreachable, ModelMissing."""
        if model not in self._shown:
            self._shown[model] = _capabilities(self._description(model))
        return self._shown[model]

    def _description(self, model: str) -> Any:
        """What the server says of the model: nothing, if it stands in for Ollama and can only chat."""
        try:
            return self.wire.post("/api/show", {"model": model}, model=model)
        except ProtocolBroken as error:
            if error.status not in _NO_SUCH_PATH:
                raise
            return {}

    def stream(self, request: Request) -> Iterator[Chunk]:
        """The reply's chunks, a DoneChunk last. Raises GatewayError, Cancelled."""
        decoder = Decoder(self.wire.scene(request.model))
        return self.wire.chunks("/api/chat", self.encode(request), request, decoder, accept=JSON_LINES)

    def encode(self, request: Request) -> bytes:
        """The body of a request."""
        system = {"role": "system", "content": request.system} if request.system else None
        return body(_fields(request), "messages", self._encoded.join(sendable(request.messages), before=system))


def address(spelled: str) -> str:
    """The url that a value of OLLAMA_HOST means: host, host:port, :port, with or without scheme, path or brackets.

    Addresses to listen at, such as 0.0.0.0, mean this machine to a client.
    """
    text = spelled.strip().strip("\"'").rstrip("/")
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
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{port}{slash}{path}"


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
    asked: dict[str, Any] = {"model": request.model, "stream": request.stream, "options": options}
    if thinking is not None:
        asked["think"] = _LEVELS.get(thinking, thinking)
    if request.tools and request.tool_choice != "none":
        asked["tools"] = [declared(spec) for spec in request.tools]
    if request.schema is not None:
        asked["format"] = dict(request.schema)
    return with_extra(asked, extra)


def _messages(message: Message, model: str) -> Iterator[dict[str, Any]]:
    if message.role == "tool":
        for result in message.results:
            said = {
                "role": "tool",
                "tool_name": result.name,
                "tool_call_id": result.call_id,
                "content": result_text(result),
            }
            yield said | {"images": [base64_of(file) for file in result.files]} if result.files else said
        return
    sent: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.files:
        sent["images"] = [base64_of(file) for file in message.files]
    if calls := calls_of(message):
        sent["tool_calls"] = [_asked(call) for call in calls]
        if message.thinking:
            sent["thinking"] = message.thinking
    yield sent


def _asked(call: ToolCall) -> dict[str, Any]:
    arguments = dict(call.arguments) if call.arguments is not None else {"not_json": call.raw}
    return {"id": call.id, "function": {"name": call.name, "arguments": arguments}}


def _capabilities(shown: Any) -> Capabilities:
    """What a server's description of a model says; older servers say nothing of capabilities."""
    facts = an_object(shown)
    listed = facts.get("capabilities")
    able = set(listed) if isinstance(listed, list) else {"tools", "thinking", "vision"}
    return Capabilities(
        tools="tools" in able,
        thinking="thinking" in able,
        images="vision" in able,
        structured=True,
        truncates=True,
        lacks=_LACKS,
        window=_window(facts),
    )


def _window(facts: dict[str, Any]) -> int | None:
    """The context window: the Modelfile's num_ctx, else what the model was made for."""
    for line in a_text(facts.get("parameters")).splitlines():
        name, _, value = line.strip().partition(" ")
        if name == "num_ctx" and value.strip().isdecimal():
            return int(value)
    for key, value in an_object(facts.get("model_info")).items():
        if key.endswith(".context_length") and a_count(value) > 0:
            return a_count(value)
    return None
