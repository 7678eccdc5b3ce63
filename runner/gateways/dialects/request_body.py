"""The body of a request as JSON: what the dialects share, and a cache so that no message is encoded twice."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

from runner.core.messages import UNFINISHED, Attachment, Message, ToolCall, ToolResult, ToolSpec
from runner.core.sanitize import replace_surrogates
from runner.gateways import Request
from runner.gateways.dialects.json_events import as_objects
from runner.gateways.dialects.tool_schemas import parameters_schema

_SPARE = 1024
_SAFE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NO_ANSWER = Message.assistant("(no answer was given)")
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str)


def to_json(value: Any) -> bytes:
    """The value as compact UTF-8 JSON; lone surrogates, which no server takes, become U+FFFD."""
    return replace_surrogates(_ENCODER.encode(value)).encode()


class MessageCache:
    """The JSON of messages, encoded once each: messages are frozen, and a conversation repeats them every turn."""

    def __init__(self, encode: Callable[[Message, str], Iterable[Any]]) -> None:
        self._encode = encode
        self._by_model: dict[str, dict[int, tuple[Message, bytes]]] = {}

    def encode_list(self, messages: Iterable[Message], model: str = "", before: Any = None) -> bytes:
        """The objects that `encode(message, model)` gives for each message, joined by commas, `before` in front."""
        first = () if before is None else (to_json(before),)
        return b",".join(filter(None, (*first, *self.encode_each(messages, model))))

    def encode_each(self, messages: Iterable[Message], model: str = "") -> Iterator[bytes]:
        """The objects of one message after the other, joined by commas; empty where there are none."""
        messages = list(messages)
        cached = self._by_model.setdefault(model, {})
        if len(cached) > _SPARE + 2 * len(messages):
            cached = self._by_model[model] = {key: cached[key] for key in map(id, messages) if key in cached}
        for message in messages:
            # The message itself is kept beside its bytes, so that its id is not given to another one meanwhile.
            entry = cached.get(id(message))
            if entry is None:
                entry = cached[id(message)] = (message, b",".join(map(to_json, self._encode(message, model))))
            yield entry[1]

    def encode_by_role(
        self, messages: Iterable[Message], model: str, roles: Mapping[str, str], member: str
    ) -> list[bytes]:
        """The messages as `{"role": …, member: [objects]}`, neighbours of one role made one."""
        known = [message for message in messages if message.role in roles]
        encoded = (
            (roles[message.role], parts) for message, parts in zip(known, self.encode_each(known, model), strict=True)
        )
        groups = groupby((pair for pair in encoded if pair[1]), key=itemgetter(0))
        return [
            object_with_list({"role": role}, member, b",".join(parts for _, parts in pairs)) for role, pairs in groups
        ]


def object_with_list(fields: Mapping[str, Any], name: str, items: bytes) -> bytes:
    """A JSON object of `fields`, and of the list `name` whose items are encoded already."""
    rest = to_json(fields)[1:]
    return b"".join((b'{"', name.encode(), b'":[', items, b"]", b"," if rest != b"}" else b"", rest))


def with_extra(fields: Mapping[str, Any], extra: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields, and what the user passes through; objects in both are merged, and the user's values win."""
    merged = dict(fields)
    for key, value in (extra or {}).items():
        are_objects = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = {**merged[key], **value} if are_objects else value
    return merged


def sendable_messages(messages: Iterable[Message]) -> Iterator[Message]:
    """The messages that a server may see: of a reply that broke off only its text, without the calls and results."""
    unfinished = False
    for message in messages:
        if unfinished and message.role == "tool":
            continue
        unfinished = message.finish in UNFINISHED
        if not unfinished or message.text.strip():
            yield message


def system_text(request: Request, *, schema_as_text: bool = False) -> str:
    """The system prompt and the system messages of the conversation, for servers that want them in one place.

    `schema_as_text`: the schema of the reply too, where the server cannot be told of it otherwise.
    """
    texts = [request.system, *(message.text for message in request.messages if message.role == "system")]
    if schema_as_text and request.schema is not None:
        texts.append(f"Reply with one JSON value alone, by this JSON Schema: {to_json(request.schema).decode()}")
    return "\n\n".join(text for text in texts if text.strip())


def translated_options(names: Mapping[str, str], request: Request) -> dict[str, Any]:
    """The request's options that a server has a name for, by its names; of `stop` it wants a list."""
    options = {names[key]: value for key, value in request.options.items() if key in names and value is not None}
    stop = names.get("stop", "")
    return options | {stop: [options[stop]]} if isinstance(options.get(stop), str) else options


def opaque_content(message: Message, dialect: str, model: str) -> list[dict[str, Any]]:
    """What `dialect` kept of a reply as it came, to be sent back to the model that made it, and to no other."""
    opaque = message.opaque
    if opaque is None or (opaque.dialect, opaque.model) != (dialect, model) or not message.complete:
        return []
    return as_objects(opaque.content)


def sendable_calls(message: Message) -> tuple[ToolCall, ...]:
    """The calls to send: none of a reply that broke off, since nobody answers them."""
    return message.calls if message.complete else ()


def alternate_roles(messages: Iterable[Message]) -> Iterator[Message]:
    """The messages for servers that want user and assistant in turns: equals merged, a gap after results filled."""
    previous: Message | None = None
    for message in messages:
        if previous is None:
            previous = message
        elif previous.role == message.role and not sendable_calls(previous) and previous.role in ("user", "assistant"):
            text = "\n\n".join(filter(None, (previous.text, message.text)))
            files = previous.files + message.files
            previous = Message(previous.role, text, message.calls, files=files, finish=message.finish)
        else:
            yield previous
            if previous.role == "tool" and message.role == "user":
                yield _NO_ANSWER
            previous = message
    if previous is not None:
        yield previous


def function_declaration(spec: ToolSpec) -> dict[str, Any]:
    """A tool as chat completions, and those who follow them, declare it."""
    function = {"name": spec.name, "description": spec.description, "parameters": parameters_schema(spec.parameters)}
    return {"type": "function", "function": function}


def output_text(result: ToolResult) -> str:
    """A result's output as text: strings as they stand, any other value as JSON."""
    return result.output if isinstance(result.output, str) else to_json(result.output).decode()


def result_text(result: ToolResult) -> str:
    """A result as text, failures marked, for servers that have no other mark."""
    return f"error: {output_text(result)}" if result.failed else output_text(result)


def arguments_json(call: ToolCall) -> str:
    """A call's arguments as JSON text, an object even where the model wrote something else."""
    if call.arguments is None:
        return to_json({"not_json": call.raw}).decode()
    return call.raw if call.raw.strip().startswith("{") else to_json(dict(call.arguments)).decode()


def safe_name(name: str) -> str:
    """An id or a tool's name as every server takes it: what another one, or a model, made up gets a stable stand-in."""
    if _SAFE_NAME.fullmatch(name):
        return name
    return "id_" + hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:24]


def to_base64(file: Attachment) -> str:
    """A file's bytes as base64."""
    return base64.b64encode(file.data).decode()


def data_url(file: Attachment) -> str:
    """A file as a data: URL."""
    return f"data:{file.media_type};base64,{to_base64(file)}"
