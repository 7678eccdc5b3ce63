"""The Responses dialect of OpenAI: nothing is stored at the server, its reasoning travels with us, encrypted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from runner.core.chunks import CallChunk, Chunk, DoneChunk, TextChunk, ThinkingChunk
from runner.core.messages import Attachment, FinishReason, Message, Opaque, ToolCall, ToolResult, ToolSpec, Usage
from runner.gateways import OPTIONS, Capabilities, Request
from runner.gateways.dialects.reply_events import EventDecoder, Pairs, a_count, a_text, an_object, objects, parsed
from runner.gateways.dialects.request_body import (
    Encoded,
    body,
    calls_of,
    data_url,
    kept,
    options_in,
    plain_name,
    raw_arguments,
    result_text,
    sendable,
    system_text,
    with_extra,
)
from runner.gateways.dialects.tool_schemas import parameters, strict
from runner.gateways.http.errors import Scene, failure, not_a_reply
from runner.gateways.http.gateway import Remote

_FINISHES: Mapping[str, FinishReason] = {"max_output_tokens": "length", "content_filter": "content_filter"}
_OPTIONS: Mapping[str, str] = {
    "max_tokens": "max_output_tokens",
    "parallel_calls": "parallel_tool_calls",
    "temperature": "temperature",
    "top_p": "top_p",
}
_LACKS = OPTIONS - _OPTIONS.keys() - {"thinking"}
_PLAIN_KEYS = frozenset({"id", "type", "status", "content", "role", "call_id", "name", "arguments"})


class Responses(Remote):
    """OpenAI, or a server that speaks its newer dialect.

    Quirks: `reasoning`, models by the beginning of their names that think and take no sampling options, and `windows`,
    context windows of models by the beginning of their names.
    """

    dialect = "responses"
    known_quirks: ClassVar[Mapping[str, Any]] = {"reasoning": (), "windows": {}}

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._encoded = Encoded(_items)

    def capabilities(self, model: str) -> Capabilities:
        """What the model's name says; the server is not asked."""
        reasons = self._reasons(model)
        windows = self.quirks["windows"]
        named = max(filter(model.startswith, windows), key=len, default="")
        return Capabilities(
            thinking=reasons, sampling=not reasons, structured=True, window=windows.get(named), lacks=_LACKS
        )

    def stream(self, request: Request) -> Iterator[Chunk]:
        asked = encode(request, self._encoded, reasons=self._reasons(request.model))
        return self.wire.chunks("/responses", asked, request, Decoder(self.wire.scene(request.model)))

    def _reasons(self, model: str) -> bool:
        return model.startswith(tuple(self.quirks["reasoning"])) and "-chat" not in model


def encode(request: Request, encoded: Encoded | None = None, *, reasons: bool = False) -> bytes:
    """The body that asks for a reply; `reasons`: the model thinks, and its thoughts are to come back encrypted."""
    asked: dict[str, Any] = {"model": request.model, "store": False, "stream": request.stream}
    asked |= options_in(_OPTIONS, request)
    if reasons:
        asked["include"] = ["reasoning.encrypted_content"]
    if isinstance(effort := request.options.get("thinking", True), str) or not effort:
        asked["reasoning"] = {"effort": effort or "none"}
    if system := system_text(request):
        asked["instructions"] = system
    if request.tools:
        asked["tools"] = [*map(_tool, request.tools)]
        if request.tool_choice in ("none", "required"):
            asked["tool_choice"] = request.tool_choice
        elif request.tool_choice != "auto":
            asked["tool_choice"] = {"type": "function", "name": request.tool_choice}
    if request.schema is not None:
        form = {"type": "json_schema", "name": "reply", "schema": request.schema, "strict": strict(request.schema)}
        asked["text"] = {"format": form}
    asked = with_extra(asked, request.options.get("extra"))
    said = [message for message in sendable(request.messages) if message.role != "system"]
    return body(asked, "input", (encoded or Encoded(_items)).join(said, request.model))


def _tool(spec: ToolSpec) -> dict[str, Any]:
    named = {"type": "function", "name": spec.name, "description": spec.description}
    return named | {"parameters": parameters(spec.parameters), "strict": False}


def _items(message: Message, model: str) -> list[dict[str, Any]]:
    """The input items of a message."""
    match message.role:
        case "assistant":
            return _kept(message, model) or [*_said(message.text), *map(_call, calls_of(message))]
        case "tool":
            return [*map(_result, message.results)]
    return [{"role": "user", "content": [*_text(message.text), *map(_file, message.files)] or message.text}]


def _kept(message: Message, model: str) -> list[dict[str, Any]]:
    """The items as this model sent them, if the message is still what they say."""
    items = kept(message, "responses", model)
    called = [item.get("call_id") for item in items if item.get("type") == "function_call"]
    return items if called == [call.id for call in message.calls] else []


def _said(text: str) -> list[dict[str, Any]]:
    content = [{"type": "output_text", "text": text}]
    return [{"type": "message", "role": "assistant", "content": content}] if text.strip() else []


def _call(call: ToolCall) -> dict[str, Any]:
    asked = {"type": "function_call", "call_id": plain_name(call.id), "name": plain_name(call.name)}
    return asked | {"arguments": raw_arguments(call)}


def _result(result: ToolResult) -> dict[str, Any]:
    text = result_text(result)
    output = [*_text(text), *map(_file, result.files)] if result.files else text
    return {"type": "function_call_output", "call_id": plain_name(result.call_id), "output": output}


def _text(text: str) -> list[dict[str, Any]]:
    return [{"type": "input_text", "text": text}] if text else []


def _file(file: Attachment) -> dict[str, Any]:
    if file.media_type.startswith("image/"):
        return {"type": "input_image", "image_url": data_url(file)}
    return {"type": "input_file", "filename": file.name or "file", "file_data": data_url(file)}


class Decoder(EventDecoder):
    """The events of Responses, or one whole reply, to chunks."""

    def __init__(self, scene: Scene = Scene()) -> None:
        super().__init__(scene)
        self._pairs = Pairs()
        self._parts: dict[int | str, _Part] = {}
        self._items: list[dict[str, Any]] = []
        self._refused = False

    def whole(self, data: bytes) -> Iterator[Chunk]:
        reply = parsed(data, self._scene)
        self.events = 1
        if reply.get("error"):
            raise failure(self._scene, reply)
        if "output" not in reply:
            raise not_a_reply(self._scene, data, "application/json")
        yield from self._finished(reply)

    def _taken(self, event: dict[str, Any]) -> Iterator[Chunk]:
        kind = a_text(event.get("type"))
        self.events += bool(kind)
        match kind.removeprefix("response."):
            case "output_text.delta":
                yield from self._told(event)
            case "refusal.delta":
                self._refused = True
                yield from self._told(event)
            case "reasoning_summary_text.delta" | "reasoning_text.delta":
                self._part(event).heard = True
                if text := self._pairs.join(a_text(event.get("delta"))):
                    yield ThinkingChunk(text)
            case "reasoning_summary_part.added" if a_count(event.get("summary_index")):
                yield ThinkingChunk("\n\n")
            case "function_call_arguments.delta":
                yield from self._argued(self._part(event), event.get("delta"))
            case "function_call_arguments.done" if not self._part(event).heard:
                yield from self._argued(self._part(event), event.get("arguments"))
            case "output_item.added":
                item = an_object(event.get("item"))
                yield from self._begun(self._part(event, item), item)
            case "output_item.done":
                item = an_object(event.get("item"))
                self._items.append(item)
                yield from self._settled(self._part(event, item), item)
            case "completed" | "incomplete" | "failed" | "cancelled":
                yield from self._finished(an_object(event.get("response")))
            case _ if kind == "error" or event.get("error"):
                raise failure(self._scene, event)

    def _part(self, event: dict[str, Any], item: dict[str, Any] | None = None) -> _Part:
        """The item that an event speaks of, by its place, or by its id where the server tells no places."""
        place = event.get("output_index")
        if type(place) is not int:
            place = a_text(event.get("item_id")) or a_text((item or {}).get("id"))
        if place not in self._parts:
            self._parts[place] = _Part(len(self._parts))
        return self._parts[place]

    def _told(self, event: dict[str, Any]) -> Iterator[Chunk]:
        self._part(event).heard = True
        if text := self._pairs.join(a_text(event.get("delta"))):
            yield TextChunk(text)

    def _argued(self, part: _Part, arguments: Any) -> Iterator[Chunk]:
        if text := a_text(arguments):
            part.heard = True
            yield CallChunk(part.index, arguments=text)

    def _begun(self, part: _Part, item: dict[str, Any]) -> Iterator[Chunk]:
        if item.get("type") == "function_call" and not part.begun:
            part.begun = True
            yield CallChunk(part.index, a_text(item.get("call_id")), a_text(item.get("name")))

    def _settled(self, part: _Part, item: dict[str, Any]) -> Iterator[Chunk]:
        """What a whole item says that its pieces did not."""
        yield from self._begun(part, item)
        if part.heard:
            return
        part.heard = True
        match item.get("type"):
            case "function_call":
                yield from self._argued(part, item.get("arguments"))
            case "message":
                for piece in objects(item.get("content")):
                    self._refused = self._refused or piece.get("type") == "refusal"
                    if text := self._pairs.join(a_text(piece.get("text")) or a_text(piece.get("refusal"))):
                        yield TextChunk(text)
            case "reasoning":
                for piece in (*objects(item.get("summary")), *objects(item.get("content"))):
                    if text := self._pairs.join(a_text(piece.get("text"))):
                        yield ThinkingChunk(text)

    def _finished(self, response: dict[str, Any]) -> Iterator[Chunk]:
        status = a_text(response.get("status"))
        if status in ("failed", "cancelled") or response.get("error"):
            raise failure(self._scene, response.get("error") or {"code": "server_error", "message": f"it {status}"})
        for place, item in enumerate(objects(response.get("output"))):
            known = place if place in self._parts else a_text(item.get("id")) or place
            yield from self._settled(self._part({"output_index": known, "item_id": known}), item)
        if rest := self._pairs.rest():
            yield TextChunk(rest)
        self._items = self._items or objects(response.get("output"))
        self.complete = self.ended = True
        reason = a_text(an_object(response.get("incomplete_details")).get("reason"))
        yield DoneChunk(
            "content_filter" if self._refused else _FINISHES.get(reason, "length" if reason else self._plain_finish()),
            reason or status,
            _usage(an_object(response.get("usage"))),
            a_text(response.get("model")),
            None if reason else self._opaque(),
        )

    def _plain_finish(self) -> FinishReason:
        return "tool_calls" if any(part.begun for part in self._parts.values()) else "stop"

    def _opaque(self) -> Opaque | None:
        """The items as they stand, if they say more than texts and calls do.

        Thoughts that came without their encrypted form are not known to the server any more, nor what leans on them.
        """
        items = [{key: value for key, value in item.items() if value is not None} for item in self._items]
        if any(item.get("type") == "reasoning" and not item.get("encrypted_content") for item in items):
            return None
        if all(item.get("type") in ("message", "function_call") and item.keys() <= _PLAIN_KEYS for item in items):
            return None
        return Opaque("responses", self._scene.model, items)


class _Part:
    """One item of the reply: its place among them, and what of it has gone out already."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.begun = False
        self.heard = False


def _usage(counted: dict[str, Any]) -> Usage | None:
    if not counted:
        return None
    return Usage(
        a_count(counted.get("input_tokens")),
        a_count(counted.get("output_tokens")),
        a_count(an_object(counted.get("input_tokens_details")).get("cached_tokens")),
        a_count(an_object(counted.get("output_tokens_details")).get("reasoning_tokens")),
    )
