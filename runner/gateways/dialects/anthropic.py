"""The Messages dialect of Anthropic, in both versions of its API, and of the servers that imitate it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from runner.core.addresses import host_of
from runner.core.chunks import Chunk
from runner.core.messages import Attachment, Message, ToolCall, ToolResult
from runner.gateways import CATALOGUE, OPTIONS, Capabilities, Request
from runner.gateways.dialects.anthropic_decoder import Decoder
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
from runner.gateways.dialects.tool_schemas import closed, parameters
from runner.gateways.http.gateway import Remote

WITH_SAMPLING = "2023-06-01"
WITHOUT_SAMPLING = "2026-10-21"
MAX_TOKENS = 8192
WINDOW = 200_000
_FIRST = (0, 0)
_UNSAMPLED = (4, 7)
_ADAPTIVE = (4, 6)
_CHOICES: Mapping[str, str] = {"auto": "auto", "none": "none", "required": "any"}
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
_OPTIONS: Mapping[str, str] = {
    "max_tokens": "max_tokens",
    "stop": "stop_sequences",
    "temperature": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
}
_LACKS = OPTIONS - _OPTIONS.keys() - {"thinking", "parallel_calls"}


class Anthropic(Remote):
    """Claude, or a server that speaks its dialect.

    Quirks: `version` of the API, and `max_tokens`, which the API demands, for where the agent file sets none.
    """

    dialect = "anthropic"
    key_header = "x-api-key"
    key_prefix = ""
    fixes: ClassVar[Mapping[str, str]] = {"ProtocolBroken": "check the gateway's url: it ends before /v1/messages"}
    known_quirks: ClassVar[Mapping[str, Any]] = {"version": "", "max_tokens": MAX_TOKENS}

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._encoded = Encoded(_blocks)

    def capabilities(self, model: str) -> Capabilities:
        """What the model's name and the API's version say; the server is not asked."""
        version = _version(model)
        if version is None:
            return Capabilities(sampling=self._api(model) == WITH_SAMPLING, lacks=_LACKS)
        return Capabilities(
            thinking=version >= (3, 7),
            sampling=self._api(model) == WITH_SAMPLING and version < _UNSAMPLED,
            structured=version >= (4, 5),
            window=WINDOW,
            lacks=_LACKS,
        )

    def stream(self, request: Request) -> Iterator[Chunk]:
        asked = encode(request, self._encoded, max_tokens=self.quirks["max_tokens"])
        decoder = Decoder(self.wire.scene(request.model))
        path = "/messages" if self.wire.url.endswith("/v1") else "/v1/messages"
        headers = {} if self._header else {"anthropic-version": self._api(request.model)}
        return self.wire.chunks(path, asked, request, decoder, headers=headers)

    @property
    def _header(self) -> str:
        """The version that the user's own headers name."""
        return next((value for name, value in self.wire.key.extra.items() if name.lower() == "anthropic-version"), "")

    def _api(self, model: str) -> str:
        """The version of the API: the user's, else the one in which the model takes all that it can take."""
        own = host_of(self.wire.url) == host_of(CATALOGUE["anthropic"].url)
        newest = own and (_version(model) or _FIRST) >= _UNSAMPLED
        return self._header or str(self.quirks["version"]) or (WITHOUT_SAMPLING if newest else WITH_SAMPLING)


def _version(model: str) -> tuple[int, int] | None:
    """Claude's version in a model's name: claude-3-5-haiku-latest is (3, 5), claude-opus-4-20250514 (4, 0)."""
    found = _VERSION.search(model)
    return (int(found[1]), int(found[2] or 0)) if found else None


def encode(request: Request, encoded: Encoded | None = None, *, max_tokens: int = MAX_TOKENS) -> bytes:
    """The body that asks for a reply."""
    asked: dict[str, Any] = {"model": request.model, "max_tokens": max_tokens, "stream": request.stream}
    asked |= options_in(_OPTIONS, request)
    schema = closed(request.schema)
    if system := system_text(request, as_words=schema is None):
        asked["system"] = system
    if request.tools:
        asked["tools"] = [
            {"name": tool.name, "description": tool.description, "input_schema": parameters(tool.parameters)}
            for tool in request.tools
        ]
        kind = _CHOICES.get(request.tool_choice)
        asked["tool_choice"] = {"type": kind} if kind else {"type": "tool", "name": request.tool_choice}
        if request.options.get("parallel_calls") is False and kind != "none":
            asked["tool_choice"]["disable_parallel_tool_use"] = True
    if schema is not None:
        asked["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    if "thinking" in request.options:
        asked = with_extra(asked, _thinking(request.options["thinking"], request.model, asked["max_tokens"]))
    asked = with_extra(asked, request.options.get("extra"))
    turns = (encoded or Encoded(_blocks)).in_turns(sendable(request.messages), request.model, _ROLES, "content")
    return body(asked, "messages", turns)


def _thinking(wish: bool | str, model: str, max_tokens: int) -> dict[str, Any]:
    """How hard to think: newer models are told so in a word, older ones in tokens beyond the reply's."""
    if not wish or wish == "none":
        return {"thinking": {"type": "disabled"}}
    if (_version(model) or _FIRST) >= _ADAPTIVE:
        effort = {} if wish is True else {"output_config": {"effort": "low" if wish == "minimal" else wish}}
        return {"thinking": {"type": "adaptive"}} | effort
    budget = _BUDGETS.get(str(wish), _BUDGETS["medium"])
    return {"thinking": {"type": "enabled", "budget_tokens": budget}, "max_tokens": max_tokens + budget}


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
    blocks = kept(message, "anthropic", model)
    called = [block.get("id") for block in blocks if block.get("type") == "tool_use"]
    return blocks if called == [call.id for call in message.calls] else []


def _text(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text}] if text.strip() else []


def _call(call: ToolCall) -> dict[str, Any]:
    arguments = call.arguments if call.arguments is not None else {"INVALID_JSON": call.raw}
    return {"type": "tool_use", "id": plain_name(call.id), "name": plain_name(call.name), "input": dict(arguments)}


def _result(result: ToolResult) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": plain_name(result.call_id)}
    content = [*_text(output_text(result)), *map(_file, result.files)]
    if content:
        block["content"] = content
    return block | {"is_error": True} if result.failed else block


def _file(file: Attachment) -> dict[str, Any]:
    source = {"type": "base64", "media_type": file.media_type, "data": base64_of(file)}
    return {"type": "image" if file.media_type.startswith("image/") else "document", "source": source}
