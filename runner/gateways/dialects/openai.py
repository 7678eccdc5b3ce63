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
from runner.gateways.dialects.openai_decoder import Decoder
from runner.gateways.dialects.reply_events import a_count, a_text, an_object, objects
from runner.gateways.dialects.request_body import (
    Encoded,
    alternating,
    body,
    calls_of,
    data_url,
    declared,
    raw_arguments,
    result_text,
    sendable,
    with_extra,
)
from runner.gateways.dialects.tool_schemas import strict
from runner.gateways.http.gateway import Remote

_SAMPLING = ("temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty")
_WINDOW_KEYS = ("max_model_len", "context_length", "context_window", "max_context_length", "n_ctx", "n_ctx_train")

__all__ = ["Decoder", "OpenAI", "Quirks"]


@dataclass(frozen=True, slots=True)
class Quirks:
    """How a server departs from the dialect; the keys of a catalogue preset's `quirks`.

    `renamed`: its names for options. `refused`: options it must not see. `plain_ids`: a call's id must be nine letters
    or digits. `alternate`: roles must alternate. `name_results`: tool messages need the tool's name. `text_with_calls`:
    a message may hold both. `echo`: the field that carries reasoning, to be sent back in tool loops. `reasoning`:
    models, by the beginning of their names, that take no sampling options and count thinking into the limit.
    `windows`: context windows of models, by the beginning of their names. `lists_windows`: GET /models tells them.
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


_USUAL = Quirks()


class OpenAI(Remote):
    """A server that speaks chat completions, the one that `name` says or the one at `url`."""

    dialect = "openai"
    known_quirks: ClassVar[Mapping[str, Any]] = {each.name: getattr(_USUAL, each.name) for each in fields(_USUAL)}

    @cached_property
    def _quirks(self) -> Quirks:
        given: dict[str, Any] = {name: self.quirks[name] for name in self.known_quirks}
        return Quirks(**given | {name: tuple(value) for name, value in given.items() if isinstance(value, list)})

    @cached_property
    def _encoded(self) -> Encoded:
        return Encoded(self._message)

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
            lacks=frozenset(self._refused(model)),
        )

    def stream(self, request: Request) -> Iterator[Chunk]:
        """The reply's chunks, a DoneChunk last. Raises GatewayError, Cancelled."""
        decoder = Decoder(self.wire.scene(request.model), self._quirks.echo)
        return self.wire.chunks("/chat/completions", self.encode(request), request, decoder)

    def encode(self, request: Request) -> bytes:
        """The body of a request."""
        quirks = self._quirks
        messages: Iterable[Message] = sendable(request.messages)
        if quirks.alternate:
            messages = alternating(messages)
        system = {"role": quirks.system_role, "content": request.system} if request.system else None
        return body(self._fields(request), "messages", self._encoded.join(messages, request.model, system))

    def _fields(self, request: Request) -> dict[str, Any]:
        quirks = self._quirks
        options = self._options(request)
        extra = options.pop("extra", {})
        asked: dict[str, Any] = {"model": request.model} | options
        if request.stream:
            asked["stream"] = True
            if quirks.include_usage:
                asked["stream_options"] = {"include_usage": True}
        if request.tools and quirks.tools:
            asked["tools"] = [declared(spec) for spec in request.tools]
            if request.tool_choice != "auto":
                asked["tool_choice"] = _choice_of_tool(request.tool_choice)
        if request.schema is not None and quirks.structured:
            schema = dict(request.schema)
            form = {"name": "response", "schema": schema, "strict": strict(schema)}
            asked["response_format"] = {"type": "json_schema", "json_schema": form}
        return with_extra(asked, extra)

    def _options(self, request: Request) -> dict[str, Any]:
        """The options in the server's words, without those that it refuses."""
        quirks = self._quirks
        renamed = {"thinking": "reasoning_effort", "parallel_calls": "parallel_tool_calls", **quirks.renamed}
        refused = self._refused(request.model)
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

    def _refused(self, model: str) -> set[str]:
        return {*self._quirks.refused, *(_SAMPLING if model.startswith(self._quirks.reasoning) else ())}

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
            return dict(_listed(self.wire.get("/models")))
        except GatewayError as error:
            if error.retryable:
                raise
            return {}


def _listed(models: Any) -> Iterator[tuple[str, int]]:
    """The context windows of the models in a server's list."""
    for each in objects(models if isinstance(models, list) else an_object(models).get("data")):
        facts = each | an_object(each.get("meta"))
        sizes = [size for key in _WINDOW_KEYS if (size := a_count(facts.get(key))) > 0]
        if sizes:
            yield a_text(each.get("id")), sizes[0]


def _choice_of_tool(choice: str) -> Any:
    return choice if choice in ("none", "required") else {"type": "function", "function": {"name": choice}}


def _content(message: Message) -> Any:
    if not message.files:
        return message.text
    images = [{"type": "image_url", "image_url": {"url": data_url(file)}} for file in message.files]
    return [{"type": "text", "text": message.text}, *images] if message.text else images
