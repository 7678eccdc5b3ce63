"""What every dialect needs to make a request's body, and to make it without encoding old messages again."""

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
from runner.gateways.dialects.reply_events import objects
from runner.gateways.dialects.tool_schemas import parameters

_SPARE = 1024
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_GAP = Message.assistant("(no answer was given)")
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str)


def to_json(value: Any) -> bytes:
    """The value as compact UTF-8 JSON; lone surrogates, which no server takes, become U+FFFD."""
    return replace_surrogates(_ENCODER.encode(value)).encode()


class Encoded:
    """The wire's form of messages, made once each: messages are frozen, and a conversation repeats them every turn."""

    def __init__(self, encode: Callable[[Message, str], Iterable[Any]]) -> None:
        self._encode = encode
        self._known: dict[str, dict[int, tuple[Message, bytes]]] = {}

    def join(self, messages: Iterable[Message], model: str = "", before: Any = None) -> bytes:
        """The objects that `encode(message, model)` gives for each message, joined by commas, `before` in front."""
        first = () if before is None else (to_json(before),)
        return b",".join(filter(None, (*first, *self.each(messages, model))))

    def each(self, messages: Iterable[Message], model: str = "") -> Iterator[bytes]:
        """The objects of one message after the other, joined by commas; empty where there are none."""
        messages = list(messages)
        known = self._known.setdefault(model, {})
        if len(known) > _SPARE + 2 * len(messages):
            known = self._known[model] = {key: known[key] for key in map(id, messages) if key in known}
        for message in messages:
            # The message itself is kept beside its bytes, so that its id is not given to another one meanwhile.
            found = known.get(id(message))
            if found is None:
                encoded = b",".join(map(to_json, self._encode(message, model)))
                found = known[id(message)] = (message, encoded)
            yield found[1]

    def in_turns(self, messages: Iterable[Message], model: str, roles: Mapping[str, str], member: str) -> bytes:
        """The messages as `{"role": …, member: [objects]}`, neighbours of one role made one, joined by commas."""
        spoken = [message for message in messages if message.role in roles]
        said = ((roles[message.role], parts) for message, parts in zip(spoken, self.each(spoken, model), strict=True))
        turns = groupby((each for each in said if each[1]), key=itemgetter(0))
        return b",".join(body({"role": role}, member, b",".join(parts for _, parts in run)) for role, run in turns)


def body(fields: Mapping[str, Any], name: str, items: bytes) -> bytes:
    """A JSON object of `fields`, and of the list `name` whose items are encoded already."""
    rest = to_json(fields)[1:]
    return b"".join((b'{"', name.encode(), b'":[', items, b"]", b"," if rest != b"}" else b"", rest))


def with_extra(fields: Mapping[str, Any], extra: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields, and what the user passes through; objects that stand in both are merged, the user's words winning."""
    merged = dict(fields)
    for key, value in (extra or {}).items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = {**merged[key], **value} if both else value
    return merged


def sendable(messages: Iterable[Message]) -> Iterator[Message]:
    """The messages that a server may see: of a reply that broke off only its text, without the calls and results."""
    broken = False
    for message in messages:
        if broken and message.role == "tool":
            continue
        broken = message.finish in UNFINISHED
        if not broken or message.text.strip():
            yield message


def system_text(request: Request, *, as_words: bool = False) -> str:
    """The system prompt and the system messages of the conversation, for servers that want them in one place.

    `as_words`: the schema of the reply too, where the server cannot be told of it otherwise.
    """
    texts = [request.system, *(message.text for message in request.messages if message.role == "system")]
    if as_words and request.schema is not None:
        texts.append(f"Reply with one JSON value alone, by this JSON Schema: {to_json(request.schema).decode()}")
    return "\n\n".join(text for text in texts if text.strip())


def options_in(words: Mapping[str, str], request: Request) -> dict[str, Any]:
    """The request's options that a server has a word for, in its words; of `stop` it wants a list."""
    options = {words[key]: value for key, value in request.options.items() if key in words and value is not None}
    stop = words.get("stop", "")
    return options | {stop: [options[stop]]} if isinstance(options.get(stop), str) else options


def kept(message: Message, dialect: str, model: str) -> list[dict[str, Any]]:
    """What `dialect` kept of a reply, to be sent back as it came to the model that made it, and to no other."""
    opaque = message.opaque
    if opaque is None or (opaque.dialect, opaque.model) != (dialect, model) or not message.complete:
        return []
    return objects(opaque.content)


def calls_of(message: Message) -> tuple[ToolCall, ...]:
    """The calls to send: none of a reply that broke off, since nobody answers them."""
    return message.calls if message.complete else ()


def alternating(messages: Iterable[Message]) -> Iterator[Message]:
    """The messages for servers that want user and assistant in turns: equals merged, a gap after results filled."""
    held: Message | None = None
    for message in messages:
        if held is None:
            held = message
        elif held.role == message.role and not calls_of(held) and held.role in ("user", "assistant"):
            text = "\n\n".join(filter(None, (held.text, message.text)))
            held = Message(held.role, text, message.calls, files=held.files + message.files, finish=message.finish)
        else:
            yield held
            if held.role == "tool" and message.role == "user":
                yield _GAP
            held = message
    if held is not None:
        yield held


def declared(spec: ToolSpec) -> dict[str, Any]:
    """A tool as chat completions, and those who follow them, declare it."""
    function = {"name": spec.name, "description": spec.description, "parameters": parameters(spec.parameters)}
    return {"type": "function", "function": function}


def output_text(result: ToolResult) -> str:
    """A result's output as text: strings as they stand, any other value as JSON."""
    return result.output if isinstance(result.output, str) else to_json(result.output).decode()


def result_text(result: ToolResult) -> str:
    """A result as text, failures marked, for servers that have no other mark."""
    return f"error: {output_text(result)}" if result.failed else output_text(result)


def raw_arguments(call: ToolCall) -> str:
    """A call's arguments as JSON text, an object even where the model wrote something else."""
    if call.arguments is None:
        return to_json({"not_json": call.raw}).decode()
    return call.raw if call.raw.strip().startswith("{") else to_json(dict(call.arguments)).decode()


def plain_name(name: str) -> str:
    """An id or a tool's name as every server takes it: what another one, or a model, made up gets a stable stand-in."""
    if _PLAIN.fullmatch(name):
        return name
    return "id_" + hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:24]


def base64_of(file: Attachment) -> str:
    """A file's bytes as base64."""
    return base64.b64encode(file.data).decode()


def data_url(file: Attachment) -> str:
    """A file as a data: URL."""
    return f"data:{file.media_type};base64,{base64_of(file)}"
