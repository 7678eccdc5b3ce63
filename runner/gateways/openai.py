"""The chat completions dialect of OpenAI, and of the many servers that speak it more or less."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from runner.core.chunks import Chunk
from runner.core.errors import GatewayError, UsageError
from runner.core.messages import Message, ToolCall, ToolResult, ToolSpec
from runner.gateways import CATALOGUE, Capabilities, Request
from runner.gateways.bodies import (
    Encoded,
    alternating,
    body,
    calls_of,
    data_url,
    raw_arguments,
    result_text,
    sendable,
)
from runner.gateways.openai_replies import Decoder
from runner.gateways.payloads import a_count, a_text, an_object, objects
from runner.gateways.schemas import parameters, strict
from runner.gateways.transport import open_wire

_SAMPLING = ("temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty")
_WINDOW_KEYS = ("max_model_len", "context_length", "context_window", "max_context_length", "n_ctx", "n_ctx_train")


@dataclass(frozen=True, slots=True)
class Quirks:
    """How a server departs from the dialect; the keys of a catalogue row's `quirks`.

    `limit`: its name for max_tokens. `refused`: options it must not see. `plain_ids`: a call's id must be nine letters
    or digits. `alternate`: roles must alternate. `name_results`: tool messages need the tool's name. `text_with_calls`:
    a message may hold both. `echo`: the field that carries reasoning, to be sent back in tool loops. `unsampled`:
    models, by the beginning of their names, that take no sampling options. `windows`: context windows of models, by the
    beginning of their names. `lists_windows`: GET /models tells them.
    """

    limit: str = "max_tokens"
    refused: tuple[str, ...] = ()
    plain_ids: bool = False
    alternate: bool = False
    name_results: bool = False
    text_with_calls: bool = True
    echo: str = ""
    unsampled: tuple[str, ...] = ()
    windows: Mapping[str, int] = field(default_factory=dict)
    lists_windows: bool = False
    system_role: str = "system"
    include_usage: bool = True
    tools: bool = True
    parallel_calls: bool = True
    images: bool = True
    structured: bool = True
    key_header: str = "Authorization"
    ca_bundle: str = ""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Quirks:
        """The quirks that a mapping names. Raises UsageError for a name that there is not."""
        known = {each.name for each in fields(cls)}
        if unknown := sorted(set(given) - known):
            raise UsageError(f"unknown quirk {unknown[0]!r}", fix=f"one of {', '.join(sorted(known))}")
        values: dict[str, Any] = {key: tuple(each) if isinstance(each, list) else each for key, each in given.items()}
        return cls(**values)


__all__ = ["Decoder", "OpenAI", "Quirks"]


class OpenAI:
    """A server that speaks chat completions: `name` says which row of the catalogue, `url` overrides its address."""

    def __init__(
        self,
        *,
        url: str | None = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
        name: str = "openai",
        key_from: str | None = None,
        quirks: Mapping[str, Any] | None = None,
        hosts: Sequence[str] = (),
    ) -> None:
        row = CATALOGUE.get(name)
        known = row.quirks if row is not None and row.dialect == "openai" else {}
        self.name = name
        self._quirks = Quirks.of({**known, **(quirks or {})})
        self._wire = open_wire(
            "openai",
            name,
            url=url,
            key=key,
            key_from=key_from,
            headers=headers,
            hosts=hosts,
            key_header=self._quirks.key_header,
            key_prefix="Bearer " if self._quirks.key_header == "Authorization" else "",
            ca_bundle=self._quirks.ca_bundle,
        )
        self._encoded = Encoded(self._message)
        self._windows: dict[str, int] | None = None

    @property
    def where(self) -> str:
        return self._wire.where

    def capabilities(self, model: str) -> Capabilities:
        """What the row says; the window as the server's list of models tells it, where it does."""
        quirks = self._quirks
        return Capabilities(
            tools=quirks.tools,
            parallel_calls=quirks.parallel_calls,
            images=quirks.images,
            sampling=not model.startswith(quirks.unsampled),
            structured=quirks.structured,
            window=self._window(model),
        )

    def stream(self, request: Request) -> Iterator[Chunk]:
        """The reply's chunks, a DoneChunk last. Raises GatewayError, Cancelled."""
        decoder = Decoder(self._wire.scene(request.model), self._quirks.echo)
        return self._wire.chunks("/chat/completions", self.encode(request), request, decoder)

    def close(self) -> None:
        self._wire.close()

    def encode(self, request: Request) -> bytes:
        """The body of a request."""
        quirks = self._quirks
        messages: Iterable[Message] = sendable(request.messages)
        if quirks.alternate:
            messages = alternating(messages)
        if request.system:
            messages = (Message.system(request.system), *messages)
        return body(self._fields(request), "messages", self._encoded.join(messages, request.model))

    def _fields(self, request: Request) -> dict[str, Any]:
        quirks = self._quirks
        unsampled = _SAMPLING if request.model.startswith(quirks.unsampled) else ()
        options = {key: value for key, value in request.options.items() if key not in (*quirks.refused, *unsampled)}
        extra = options.pop("extra", {})
        if "max_tokens" in options:
            options[quirks.limit] = options.pop("max_tokens")
        asked: dict[str, Any] = {"model": request.model} | options
        if request.stream:
            asked["stream"] = True
            if quirks.include_usage:
                asked["stream_options"] = {"include_usage": True}
        if request.tools and quirks.tools:
            asked["tools"] = [_tool(spec) for spec in request.tools]
            if request.tool_choice != "auto":
                asked["tool_choice"] = _choice_of_tool(request.tool_choice)
        if request.schema is not None and quirks.structured:
            schema = dict(request.schema)
            form = {"name": "response", "schema": schema, "strict": strict(schema)}
            asked["response_format"] = {"type": "json_schema", "json_schema": form}
        return {**asked, **extra}

    def _message(self, message: Message, model: str) -> Iterator[dict[str, Any]]:
        match message.role:
            case "system":
                yield {"role": self._quirks.system_role, "content": message.text}
            case "user":
                yield {"role": "user", "content": _content(message)}
            case "assistant":
                yield self._reply(message, model)
            case "tool":
                yield from map(self._result, message.results)
                for result in message.results:
                    if result.files:
                        shown = Message.user(f"What {result.name} gave:", result.files)
                        yield {"role": "user", "content": _content(shown)}

    def _reply(self, message: Message, model: str) -> dict[str, Any]:
        calls = calls_of(message)
        reply: dict[str, Any] = {"role": "assistant", "content": message.text}
        if calls:
            if not message.text or not self._quirks.text_with_calls:
                reply["content"] = None if self._quirks.text_with_calls else ""
            reply["tool_calls"] = [self._asked(call) for call in calls]
        kept = message.opaque
        if kept is not None and calls and kept.dialect == "openai" and kept.model == model:
            reply |= kept.content
        return reply

    def _asked(self, call: ToolCall) -> dict[str, Any]:
        function = {"name": call.name, "arguments": raw_arguments(call)}
        return {"id": self._id(call.id), "type": "function", "function": function}

    def _result(self, result: ToolResult) -> dict[str, Any]:
        said = {"role": "tool", "tool_call_id": self._id(result.call_id), "content": result_text(result)}
        return said | {"name": result.name} if self._quirks.name_results else said

    def _id(self, given: str) -> str:
        """The id as the server wants it; the same id always becomes the same one, so that pairs stay pairs."""
        if not self._quirks.plain_ids or re.fullmatch(r"[A-Za-z0-9]{9}", given):
            return given
        return hashlib.sha256(given.encode("utf-8", "replace")).hexdigest()[:9]

    def _window(self, model: str) -> int | None:
        windows = self._quirks.windows
        for name in sorted(windows, key=len, reverse=True):
            if model.startswith(name):
                return windows[name]
        if not self._quirks.lists_windows and not self._wire.is_local:
            return None
        if self._windows is None:
            try:
                self._windows = dict(_listed(self._wire.get("/models")))
            except GatewayError:
                return None
        return self._windows.get(model)


def _listed(models: Any) -> Iterator[tuple[str, int]]:
    """The context windows of the models in a server's list."""
    for each in objects(models if isinstance(models, list) else an_object(models).get("data")):
        facts = each | an_object(each.get("meta"))
        sizes = [size for key in _WINDOW_KEYS if (size := a_count(facts.get(key))) > 0]
        if sizes:
            yield a_text(each.get("id")), sizes[0]


def _tool(spec: ToolSpec) -> dict[str, Any]:
    function = {"name": spec.name, "description": spec.description, "parameters": parameters(spec.parameters)}
    return {"type": "function", "function": function}


def _choice_of_tool(choice: str) -> Any:
    return choice if choice in ("none", "required") else {"type": "function", "function": {"name": choice}}


def _content(message: Message) -> Any:
    if not message.files:
        return message.text
    images = [{"type": "image_url", "image_url": {"url": data_url(file)}} for file in message.files]
    return [{"type": "text", "text": message.text}, *images] if message.text else images
