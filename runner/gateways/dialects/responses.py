"""The Responses dialect of OpenAI: nothing is stored at the server, its reasoning travels with us, encrypted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from runner.core.chunks import CallChunk, Chunk, DoneChunk, TextChunk, ThinkingChunk
from runner.core.messages import Attachment, FinishReason, Message, Opaque, ToolCall, ToolResult, ToolSpec, Usage
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
    arguments_json,
    data_url,
    object_with_list,
    opaque_content,
    result_text,
    safe_name,
    sendable_calls,
    sendable_messages,
    system_text,
    translated_options,
    with_extra,
)
from runner.gateways.dialects.tool_schemas import is_strict, parameters_schema
from runner.gateways.http.connection_errors import not_a_reply
from runner.gateways.http.error_context import ErrorContext
from runner.gateways.http.gateway import HttpGateway
from runner.gateways.http.status_errors import error_from_server

_FINISHES: Mapping[str, FinishReason] = {"max_output_tokens": "length", "content_filter": "content_filter"}
_OPTION_NAMES: Mapping[str, str] = {
    "max_tokens": "max_output_tokens",
    "parallel_calls": "parallel_tool_calls",
    "temperature": "temperature",
    "top_p": "top_p",
}
_LACKS = OPTIONS.difference(_OPTION_NAMES, {"thinking"})
_PLAIN_KEYS = frozenset({"id", "type", "status", "content", "role", "call_id", "name", "arguments"})


class Responses(HttpGateway):
    """OpenAI, or a server that speaks its newer dialect.

    Quirks: `reasoning`, models by the beginning of their names that think and take no sampling options; `windows`,
    context windows of models by the beginning of their names; `cache`: the server takes `prompt_cache_key`.
    """

    dialect = "responses"
    models_path = "/models"
    known_quirks: ClassVar[Mapping[str, Any]] = {"reasoning": (), "windows": {}, "cache": False}

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        self._message_cache = MessageCache(_items)

    def capabilities(self, model: str) -> Capabilities:
        """What the model's name says; the server is not asked."""
        is_reasoning = self._is_reasoning(model)
        windows = self.quirks["windows"]
        prefix = max(filter(model.startswith, windows), key=len, default="")
        return Capabilities(
            thinking=is_reasoning, sampling=not is_reasoning, structured=True, window=windows.get(prefix), lacks=_LACKS
        )

    def stream(self, request: Request) -> Iterator[Chunk]:
        if not self.caches:
            request = replace(request, cache=False)
        body = encode(request, self._message_cache, is_reasoning=self._is_reasoning(request.model))
        return self.transport.stream(
            "/responses", body, request, ResponsesDecoder(self.transport.error_context(request.model))
        )

    def _is_reasoning(self, model: str) -> bool:
        return model.startswith(tuple(self.quirks["reasoning"])) and "-chat" not in model


def encode(request: Request, message_cache: MessageCache | None = None, *, is_reasoning: bool = False) -> bytes:
    """The body that asks for a reply; `is_reasoning`: the model thinks, and its thoughts are to come back encrypted."""
    fields: dict[str, Any] = {"model": request.model, "store": False, "stream": request.stream}
    fields |= translated_options(_OPTION_NAMES, request)
    if is_reasoning:
        fields["include"] = ["reasoning.encrypted_content"]
    if isinstance(effort := request.options.get("thinking", True), str) or not effort:
        fields["reasoning"] = {"effort": effort or "none"}
    if system := system_text(request):
        fields["instructions"] = system
    if request.tools:
        fields["tools"] = [*map(_tool, request.tools)]
        if request.tool_choice in ("none", "required"):
            fields["tool_choice"] = request.tool_choice
        elif request.tool_choice != "auto":
            fields["tool_choice"] = {"type": "function", "name": request.tool_choice}
    if request.schema is not None:
        text_format = {
            "type": "json_schema",
            "name": "reply",
            "schema": request.schema,
            "strict": is_strict(request.schema),
        }
        fields["text"] = {"format": text_format}
    if request.cache and request.conversation:
        fields["prompt_cache_key"] = request.conversation
    fields = with_extra(fields, request.options.get("extra"))
    messages = [message for message in sendable_messages(request.messages) if message.role != "system"]
    return object_with_list(
        fields, "input", (message_cache or MessageCache(_items)).encode_list(messages, request.model)
    )


def _tool(spec: ToolSpec) -> dict[str, Any]:
    tool = {"type": "function", "name": spec.name, "description": spec.description}
    return tool | {"parameters": parameters_schema(spec.parameters), "strict": False}


def _items(message: Message, model: str) -> list[dict[str, Any]]:
    """The input items of a message."""
    match message.role:
        case "assistant":
            return _as_received(message, model) or [
                *_assistant_text(message.text),
                *map(_call, sendable_calls(message)),
            ]
        case "tool":
            return [*map(_result, message.results)]
    return [{"role": "user", "content": [*_text(message.text), *map(_file, message.files)] or message.text}]


def _as_received(message: Message, model: str) -> list[dict[str, Any]]:
    """The items as this model sent them, if the message is still what they say."""
    items = opaque_content(message, "responses", model)
    call_ids = [item.get("call_id") for item in items if item.get("type") == "function_call"]
    return items if call_ids == [call.id for call in message.calls] else []


def _assistant_text(text: str) -> list[dict[str, Any]]:
    content = [{"type": "output_text", "text": text}]
    return [{"type": "message", "role": "assistant", "content": content}] if text.strip() else []


def _call(call: ToolCall) -> dict[str, Any]:
    item = {"type": "function_call", "call_id": safe_name(call.id), "name": safe_name(call.name)}
    return item | {"arguments": arguments_json(call)}


def _result(result: ToolResult) -> dict[str, Any]:
    text = result_text(result)
    output = [*_text(text), *map(_file, result.files)] if result.files else text
    return {"type": "function_call_output", "call_id": safe_name(result.call_id), "output": output}


def _text(text: str) -> list[dict[str, Any]]:
    return [{"type": "input_text", "text": text}] if text else []


def _file(file: Attachment) -> dict[str, Any]:
    if file.media_type.startswith("image/"):
        return {"type": "input_image", "image_url": data_url(file)}
    return {"type": "input_file", "filename": file.name or "file", "file_data": data_url(file)}


class ResponsesDecoder(SseDecoder):
    """The events of Responses, or one whole reply, to chunks."""

    def __init__(self, context: ErrorContext = ErrorContext()) -> None:
        super().__init__(context)
        self._text_joiner = SurrogateJoiner()
        self._item_states: dict[int | str, _ItemState] = {}
        self._items: list[dict[str, Any]] = []
        self._has_refusal = False

    def decode_document(self, data: bytes) -> Iterator[Chunk]:
        reply = parse_object(data, self._context)
        self.events = 1
        if reply.get("error"):
            raise error_from_server(self._context, reply)
        if "output" not in reply:
            raise not_a_reply(self._context, data, "application/json")
        yield from self._on_response_end(reply)

    def _on_event(self, event: dict[str, Any]) -> Iterator[Chunk]:
        kind = as_text(event.get("type"))
        self.events += bool(kind)
        match kind.removeprefix("response."):
            case "output_text.delta":
                yield from self._on_text_delta(event)
            case "refusal.delta":
                self._has_refusal = True
                yield from self._on_text_delta(event)
            case "reasoning_summary_text.delta" | "reasoning_text.delta":
                self._item_state(event).streamed = True
                if text := self._text_joiner.join(as_text(event.get("delta"))):
                    yield ThinkingChunk(text)
            case "reasoning_summary_part.added" if as_count(event.get("summary_index")):
                yield ThinkingChunk("\n\n")
            case "function_call_arguments.delta":
                yield from self._on_arguments(self._item_state(event), event.get("delta"))
            case "function_call_arguments.done" if not self._item_state(event).streamed:
                yield from self._on_arguments(self._item_state(event), event.get("arguments"))
            case "output_item.added":
                item = as_object(event.get("item"))
                yield from self._on_item_added(self._item_state(event, item), item)
            case "output_item.done":
                item = as_object(event.get("item"))
                self._items.append(item)
                yield from self._on_item_done(self._item_state(event, item), item)
            case "completed" | "incomplete" | "failed" | "cancelled":
                yield from self._on_response_end(as_object(event.get("response")))
            case _ if kind == "error" or event.get("error"):
                raise error_from_server(self._context, event)

    def _item_state(self, event: dict[str, Any], item: dict[str, Any] | None = None) -> _ItemState:
        """The item that an event belongs to, by its index, or by its id where the server gives no index."""
        index = event.get("output_index")
        if type(index) is not int:
            index = as_text(event.get("item_id")) or as_text((item or {}).get("id"))
        if index not in self._item_states:
            self._item_states[index] = _ItemState(len(self._item_states))
        return self._item_states[index]

    def _on_text_delta(self, event: dict[str, Any]) -> Iterator[Chunk]:
        self._item_state(event).streamed = True
        if text := self._text_joiner.join(as_text(event.get("delta"))):
            yield TextChunk(text)

    def _on_arguments(self, state: _ItemState, arguments: Any) -> Iterator[Chunk]:
        if text := as_text(arguments):
            state.streamed = True
            yield CallChunk(state.index, arguments=text)

    def _on_item_added(self, state: _ItemState, item: dict[str, Any]) -> Iterator[Chunk]:
        if item.get("type") == "function_call" and not state.started:
            state.started = True
            yield CallChunk(state.index, as_text(item.get("call_id")), as_text(item.get("name")))

    def _on_item_done(self, state: _ItemState, item: dict[str, Any]) -> Iterator[Chunk]:
        """The chunks of what a whole item holds beyond the pieces that were streamed."""
        yield from self._on_item_added(state, item)
        if state.streamed:
            return
        state.streamed = True
        match item.get("type"):
            case "function_call":
                yield from self._on_arguments(state, item.get("arguments"))
            case "message":
                for piece in as_objects(item.get("content")):
                    self._has_refusal = self._has_refusal or piece.get("type") == "refusal"
                    if text := self._text_joiner.join(as_text(piece.get("text")) or as_text(piece.get("refusal"))):
                        yield TextChunk(text)
            case "reasoning":
                for piece in (*as_objects(item.get("summary")), *as_objects(item.get("content"))):
                    if text := self._text_joiner.join(as_text(piece.get("text"))):
                        yield ThinkingChunk(text)

    def _on_response_end(self, response: dict[str, Any]) -> Iterator[Chunk]:
        status = as_text(response.get("status"))
        if status in ("failed", "cancelled") or response.get("error"):
            raise error_from_server(
                self._context, response.get("error") or {"code": "server_error", "message": f"it {status}"}
            )
        for index, item in enumerate(as_objects(response.get("output"))):
            known = index if index in self._item_states else as_text(item.get("id")) or index
            yield from self._on_item_done(self._item_state({"output_index": known, "item_id": known}), item)
        if rest := self._text_joiner.flush():
            yield TextChunk(rest)
        self._items = self._items or as_objects(response.get("output"))
        self.complete = self.ended = True
        reason = as_text(as_object(response.get("incomplete_details")).get("reason"))
        yield DoneChunk(
            "content_filter"
            if self._has_refusal
            else _FINISHES.get(reason, "length" if reason else self._default_finish()),
            reason or status,
            _usage(as_object(response.get("usage"))),
            as_text(response.get("model")),
            None if reason else self._opaque(),
        )

    def _default_finish(self) -> FinishReason:
        return "tool_calls" if any(state.started for state in self._item_states.values()) else "stop"

    def _opaque(self) -> Opaque | None:
        """The items as they stand, if they say more than texts and calls do.

        Thoughts that came without their encrypted form are not known to the server any more, nor what leans on them.
        """
        items = [{key: value for key, value in item.items() if value is not None} for item in self._items]
        if any(item.get("type") == "reasoning" and not item.get("encrypted_content") for item in items):
            return None
        if all(item.get("type") in ("message", "function_call") and item.keys() <= _PLAIN_KEYS for item in items):
            return None
        return Opaque("responses", self._context.model, items)


class _ItemState:
    """One item of the reply: its index among them, and what of it has gone out already."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.started = False
        self.streamed = False


def _usage(usage: dict[str, Any]) -> Usage | None:
    if not usage:
        return None
    return Usage(
        as_count(usage.get("input_tokens")),
        as_count(usage.get("output_tokens")),
        as_count(as_object(usage.get("input_tokens_details")).get("cached_tokens")),
        as_count(as_object(usage.get("output_tokens_details")).get("reasoning_tokens")),
    )
