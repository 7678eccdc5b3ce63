"""The Messages dialect of Anthropic, in both versions of its API, and of the servers that imitate it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from runner.core.addresses import host_of
from runner.core.chunks import Chunk
from runner.core.messages import Attachment, Message, ToolCall, ToolResult
from runner.gateways import CATALOGUE, OPTIONS, Capabilities, Request
from runner.gateways.dialects.anthropic_decoder import AnthropicDecoder
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
from runner.gateways.dialects.tool_schemas import close_objects, parameters_schema
from runner.gateways.http.gateway import HttpGateway

WITH_SAMPLING = "2023-06-01"
WITHOUT_SAMPLING = "2026-10-21"
MAX_TOKENS = 8192
WINDOW = 200_000
_OLDEST = (0, 0)
_FIRST_UNSAMPLED = (4, 7)
_FIRST_ADAPTIVE = (4, 6)
_TOOL_CHOICES: Mapping[str, str] = {"auto": "auto", "none": "none", "required": "any"}
_ROLES: Mapping[str, str] = {"user": "user", "tool": "user", "assistant": "assistant"}

_VERSION = re.compile(r"claude-(?:[a-z]+-)*(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")
_BUDGETS: Mapping[str, int] = {
    "minimal": 1024,
    "low": 2048,
    "medium": 4096,
    "high": 8192,
    "xhigh": 16_384,
    "max": 32_768,
}
# At most four blocks of a request may be marked: the last tool, the system prompt, and two messages.
_CACHED: Mapping[str, Any] = {"cache_control": {"type": "ephemeral"}}
_END_OF_USER = b'}],"role":"user"}'
_CACHED_END_OF_USER = b',"cache_control":{"type":"ephemeral"}' + _END_OF_USER
_OPTION_NAMES: Mapping[str, str] = {
    "max_tokens": "max_tokens",
    "stop": "stop_sequences",
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
}
_LACKS = OPTIONS.difference(_OPTION_NAMES, {"thinking", "parallel_calls"})


class Anthropic(HttpGateway):
    """Claude, or a server that speaks its dialect.

    Quirks: `version` of the API; `max_tokens`, which the API demands, for where the agent file sets none; `cache`: the
    server takes `cache_control`.
    """

    dialect = "anthropic"
    key_header = "x-api-key"
    key_prefix = ""
    fixes: ClassVar[Mapping[str, str]] = {"ProtocolBroken": "check the gateway's url: it ends before /v1/messages"}
    known_quirks: ClassVar[Mapping[str, Any]] = {"version": "", "max_tokens": MAX_TOKENS, "cache": False}

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        self._message_cache = MessageCache(_blocks)

    def capabilities(self, model: str) -> Capabilities:
        """What the model's name and the API's version say; the server is not asked."""
        version = _version(model)
        if version is None:
            return Capabilities(sampling=self._api_version(model) == WITH_SAMPLING, lacks=_LACKS)
        return Capabilities(
            thinking=version >= (3, 7),
            sampling=self._api_version(model) == WITH_SAMPLING and version < _FIRST_UNSAMPLED,
            structured=version >= (4, 5),
            window=WINDOW,
            lacks=_LACKS,
        )

    def stream(self, request: Request) -> Iterator[Chunk]:
        cache = request.cache and self.caches
        body = encode(request, self._message_cache, max_tokens=self.quirks["max_tokens"], cache=cache)
        decoder = AnthropicDecoder(self.transport.error_context(request.model))
        path = "/messages" if self.transport.url.endswith("/v1") else "/v1/messages"
        headers = {} if self._version_header else {"anthropic-version": self._api_version(request.model)}
        return self.transport.stream(path, body, request, decoder, headers=headers)

    @property
    def _version_header(self) -> str:
        """The version that the user's own headers name."""
        return next(
            (
                value
                for name, value in self.transport.credentials.extra_headers.items()
                if name.lower() == "anthropic-version"
            ),
            "",
        )

    def _api_version(self, model: str) -> str:
        """The version of the API: the user's, else the one in which the model takes all that it can take."""
        is_own_host = host_of(self.transport.url) == host_of(CATALOGUE["anthropic"].url)
        newest = is_own_host and (_version(model) or _OLDEST) >= _FIRST_UNSAMPLED
        return self._version_header or str(self.quirks["version"]) or (WITHOUT_SAMPLING if newest else WITH_SAMPLING)


def _version(model: str) -> tuple[int, int] | None:
    """Claude's version in a model's name: claude-3-5-haiku-latest is (3, 5), claude-opus-4-20250514 (4, 0)."""
    match = _VERSION.search(model)
    return (int(match[1]), int(match[2] or 0)) if match else None


def encode(
    request: Request,
    message_cache: MessageCache | None = None,
    *,
    max_tokens: int = MAX_TOKENS,
    cache: bool = False,
) -> bytes:
    """The body that asks for a reply; with `cache` the server is told up to where the next request may be the same."""
    fields: dict[str, Any] = {"model": request.model, "max_tokens": max_tokens, "stream": request.stream}
    fields |= translated_options(_OPTION_NAMES, request)
    schema = close_objects(request.schema)
    if system := system_text(request, schema_as_text=schema is None):
        fields["system"] = [{"type": "text", "text": system, **_CACHED}] if cache else system
    if request.tools:
        fields["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": parameters_schema(tool.parameters)}
            for tool in request.tools
        ]
        if cache:
            fields["tools"][-1].update(_CACHED)
        choice = _TOOL_CHOICES.get(request.tool_choice)
        fields["tool_choice"] = {"type": choice} if choice else {"type": "tool", "name": request.tool_choice}
        if request.options.get("parallel_calls") is False and choice != "none":
            fields["tool_choice"]["disable_parallel_tool_use"] = True
    if schema is not None:
        fields["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    if "thinking" in request.options:
        fields = with_extra(fields, _thinking(request.options["thinking"], request.model, fields["max_tokens"]))
    fields = with_extra(fields, request.options.get("extra"))
    messages = (message_cache or MessageCache(_blocks)).encode_by_role(
        sendable_messages(request.messages), request.model, _ROLES, "content"
    )
    if cache:
        _mark_newest(messages)
    return object_with_list(fields, "messages", b",".join(messages))


def _mark_newest(messages: list[bytes]) -> None:
    """Mark the ends of this prompt and of the last one, which the server looks for from here no more than 20 blocks."""
    from_user = [position for position, message in enumerate(messages) if message.endswith(_END_OF_USER)]
    for position in from_user[-2:]:
        messages[position] = messages[position].removesuffix(_END_OF_USER) + _CACHED_END_OF_USER


def _thinking(option: bool | str, model: str, max_tokens: int) -> dict[str, Any]:
    """How hard to think: newer models take a level, older ones a budget of tokens beyond the reply's."""
    if not option or option == "none":
        return {"thinking": {"type": "disabled"}}
    if (_version(model) or _OLDEST) >= _FIRST_ADAPTIVE:
        effort = {} if option is True else {"output_config": {"effort": "low" if option == "minimal" else option}}
        return {"thinking": {"type": "adaptive"}} | effort
    budget = _BUDGETS.get(str(option), _BUDGETS["medium"])
    return {"thinking": {"type": "enabled", "budget_tokens": budget}, "max_tokens": max_tokens + budget}


def _blocks(message: Message, model: str) -> list[dict[str, Any]]:
    """The content blocks of a message; no text among them is blank."""
    match message.role:
        case "assistant":
            return _as_received(message, model) or [*_text(message.text), *map(_call, sendable_calls(message))]
        case "tool":
            return [*map(_result, message.results)]
    return [*map(_file, message.files), *_text(message.text)]


def _as_received(message: Message, model: str) -> list[dict[str, Any]]:
    """The blocks as this model sent them, if the message is still what they say."""
    blocks = opaque_content(message, "anthropic", model)
    called = [block.get("id") for block in blocks if block.get("type") == "tool_use"]
    return blocks if called == [call.id for call in message.calls] else []


def _text(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text}] if text.strip() else []


def _call(call: ToolCall) -> dict[str, Any]:
    arguments = call.arguments if call.arguments is not None else {"INVALID_JSON": call.raw}
    return {"type": "tool_use", "id": safe_name(call.id), "name": safe_name(call.name), "input": dict(arguments)}


def _result(result: ToolResult) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": safe_name(result.call_id)}
    content = [*_text(output_text(result)), *map(_file, result.files)]
    if content:
        block["content"] = content
    return block | {"is_error": True} if result.failed else block


def _file(file: Attachment) -> dict[str, Any]:
    source = {"type": "base64", "media_type": file.media_type, "data": to_base64(file)}
    return {"type": "image" if file.media_type.startswith("image/") else "document", "source": source}
