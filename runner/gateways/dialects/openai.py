"""The chat completions dialect of OpenAI, and of the many servers that speak it more or less."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, ClassVar

from runner.core.chunks import Chunk
from runner.core.errors import GatewayError
from runner.core.messages import Message, ToolCall, ToolResult
from runner.gateways import Capabilities, Request
from runner.gateways.dialects.json_events import as_count, as_object, as_objects, as_text
from runner.gateways.dialects.openai_decoder import OpenAIDecoder
from runner.gateways.dialects.request_body import (
    MessageCache,
    alternate_roles,
    arguments_json,
    data_url,
    function_declaration,
    object_with_list,
    result_text,
    sendable_calls,
    sendable_messages,
    with_extra,
)
from runner.gateways.dialects.tool_schemas import is_strict
from runner.gateways.http.gateway import HttpGateway

_SAMPLING = ("temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty")
_WINDOW_KEYS = ("max_model_len", "context_length", "context_window", "max_context_length", "n_ctx", "n_ctx_train")

__all__ = ["OpenAI", "OpenAIDecoder", "Quirks"]


@dataclass(frozen=True, slots=True)
class Quirks:
    """How a server departs from the dialect; the keys of a catalogue preset's `quirks`.

    `renamed`: its names for options. `refused`: options it must not see. `plain_ids`: a call's id must be nine letters
    or digits. `alternate`: roles must alternate. `name_results`: tool messages need the tool's name. `text_with_calls`:
    a message may hold both. `echo`: the field that carries reasoning, to be sent back in tool loops. `reasoning`:
    models, by the beginning of their names, that take no sampling options and count thinking into the limit.
    `windows`: context windows of models, by the beginning of their names. `lists_windows`: GET /models tells them.
    `cache`: it takes `prompt_cache_key`.
    """

    renamed: Mapping[str, str] = field(default_factory=dict)
    refused: tuple[str, ...] = ()
    plain_ids: bool = False
    alternate: bool = False
    name_results: bool = False
    text_with_calls: bool = True
    echo: str = ""
    reasoning: tuple[str, ...] = ()
    windows: Mapping[str, int] = field(default_factory=dict)
    lists_windows: bool = False
    system_role: str = "system"
    include_usage: bool = True
    tools: bool = True
    parallel_calls: bool = True
    images: bool = True
    structured: bool = True
    cache: bool = False


_NO_QUIRKS = Quirks()


class OpenAI(HttpGateway):
    """A server that speaks chat completions, the one that `name` says or the one at `url`."""

    dialect = "openai"
    models_path = "/models"
    known_quirks: ClassVar[Mapping[str, Any]] = {
        quirk.name: getattr(_NO_QUIRKS, quirk.name) for quirk in fields(_NO_QUIRKS)
    }

    @cached_property
    def _quirks(self) -> Quirks:
        values: dict[str, Any] = {name: self.quirks[name] for name in self.known_quirks}
        return Quirks(**values | {name: tuple(value) for name, value in values.items() if isinstance(value, list)})

    @cached_property
    def _message_cache(self) -> MessageCache:
        return MessageCache(self._message)

    def capabilities(self, model: str) -> Capabilities:
        """What the preset says; the window as the server's list of models tells it, where it does."""
        quirks = self._quirks
        reasons = model.startswith(quirks.reasoning)
        return Capabilities(
            tools=quirks.tools,
            parallel_calls=quirks.parallel_calls,
            images=quirks.images,
            thinking=reasons or not quirks.reasoning,
            sampling=not reasons,
            structured=quirks.structured,
            window=self._window(model),
            lacks=frozenset(self._refused_options(model)),
        )

    def stream(self, request: Request) -> Iterator[Chunk]:
        """The reply's chunks, a DoneChunk last. Raises GatewayError, Cancelled."""
        decoder = OpenAIDecoder(self.transport.error_context(request.model), self._quirks.echo)
        return self.transport.stream("/chat/completions", self.encode(request), request, decoder)

    def encode(self, request: Request) -> bytes:
        """The body of a request."""
        quirks = self._quirks
        messages: Iterable[Message] = sendable_messages(request.messages)
        if quirks.alternate:
            messages = alternate_roles(messages)
        system = {"role": quirks.system_role, "content": request.system} if request.system else None
        return object_with_list(
            self._fields(request), "messages", self._message_cache.encode_list(messages, request.model, system)
        )

    def _fields(self, request: Request) -> dict[str, Any]:
        quirks = self._quirks
        options = self._options(request)
        extra = options.pop("extra", {})
        fields: dict[str, Any] = {"model": request.model} | options
        if request.stream:
            fields["stream"] = True
            if quirks.include_usage:
                fields["stream_options"] = {"include_usage": True}
        if request.tools and quirks.tools:
            fields["tools"] = [function_declaration(spec) for spec in request.tools]
            if request.tool_choice != "auto":
                fields["tool_choice"] = _tool_choice(request.tool_choice)
        if request.schema is not None and quirks.structured:
            schema = dict(request.schema)
            form = {"name": "response", "schema": schema, "strict": is_strict(schema)}
            fields["response_format"] = {"type": "json_schema", "json_schema": form}
        if request.cache and request.conversation and self.caches:
            fields["prompt_cache_key"] = request.conversation
        return with_extra(fields, extra)

    def _options(self, request: Request) -> dict[str, Any]:
        """The options in the server's words, without those that it refuses."""
        quirks = self._quirks
        renamed = {"thinking": "reasoning_effort", "parallel_calls": "parallel_tool_calls", **quirks.renamed}
        refused = self._refused_options(request.model)
        if request.model.startswith(quirks.reasoning):
            renamed["max_tokens"] = "max_completion_tokens"
        if not request.tools:
            refused.add("parallel_calls")
        options = {key: value for key, value in request.options.items() if key not in refused}
        match options.get("thinking"):
            case True:
                del options["thinking"]
            case False:
                options["thinking"] = "none"
        return {renamed.get(key, key): value for key, value in options.items()}

    def _refused_options(self, model: str) -> set[str]:
        return {*self._quirks.refused, *(_SAMPLING if model.startswith(self._quirks.reasoning) else ())}

    def _message(self, message: Message, model: str) -> Iterator[dict[str, Any]]:
        match message.role:
            case "system":
                yield {"role": self._quirks.system_role, "content": message.text}
            case "user":
                yield {"role": "user", "content": _content(message)}
            case "assistant":
                yield self._assistant_message(message, model)
            case "tool":
                yield from map(self._result, message.results)
                for result in message.results:
                    if result.files:
                        files = Message.user(f"What {result.name} gave:", result.files)
                        yield {"role": "user", "content": _content(files)}

    def _assistant_message(self, message: Message, model: str) -> dict[str, Any]:
        calls = sendable_calls(message)
        reply: dict[str, Any] = {"role": "assistant", "content": message.text}
        if calls:
            if not message.text or not self._quirks.text_with_calls:
                reply["content"] = None if self._quirks.text_with_calls else ""
            reply["tool_calls"] = [self._tool_call(call) for call in calls]
        opaque = message.opaque
        if opaque is not None and calls and opaque.dialect == "openai" and opaque.model == model:
            reply |= opaque.content
        return reply

    def _tool_call(self, call: ToolCall) -> dict[str, Any]:
        function = {"name": call.name, "arguments": arguments_json(call)}
        return {"id": self._id(call.id), "type": "function", "function": function}

    def _result(self, result: ToolResult) -> dict[str, Any]:
        encoded = {"role": "tool", "tool_call_id": self._id(result.call_id), "content": result_text(result)}
        return encoded | {"name": result.name} if self._quirks.name_results else encoded

    def _id(self, call_id: str) -> str:
        """The id as the server wants it; the same id always becomes the same one, so that pairs stay pairs."""
        if not self._quirks.plain_ids or re.fullmatch(r"[A-Za-z0-9]{9}", call_id):
            return call_id
        return hashlib.sha256(call_id.encode("utf-8", "replace")).hexdigest()[:9]

    def _window(self, model: str) -> int | None:
        windows = self._quirks.windows
        for name in sorted(windows, key=len, reverse=True):
            if model.startswith(name):
                return windows[name]
        if not self._quirks.lists_windows:
            return None
        try:
            listed = self._listed_windows
        except GatewayError:
            return None
        # A server that has one model loaded answers with it, whatever its name.
        return listed.get(model) or (next(iter(listed.values())) if len(listed) == 1 else None)

    @cached_property
    def _listed_windows(self) -> dict[str, int]:
        """The server's own list, asked for until it answers one way or the other. Raises GatewayError."""
        try:
            return dict(_windows_in(self.transport.get_json("/models")))
        except GatewayError as error:
            if error.retryable:
                raise
            return {}


def _windows_in(models: Any) -> Iterator[tuple[str, int]]:
    """The context windows of the models in a server's list."""
    for model in as_objects(models if isinstance(models, list) else as_object(models).get("data")):
        description = model | as_object(model.get("meta"))
        sizes = [size for key in _WINDOW_KEYS if (size := as_count(description.get(key))) > 0]
        if sizes:
            yield as_text(model.get("id")), sizes[0]


def _tool_choice(choice: str) -> Any:
    return choice if choice in ("none", "required") else {"type": "function", "function": {"name": choice}}


def _content(message: Message) -> Any:
    if not message.files:
        return message.text
    images = [{"type": "image_url", "image_url": {"url": data_url(file)}} for file in message.files]
    return [{"type": "text", "text": message.text}, *images] if message.text else images
