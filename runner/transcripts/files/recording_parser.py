"""A recording's document, checked by the schema, as values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from runner.config.yaml.document import NodePath
from runner.core.chunks import parse_arguments
from runner.core.messages import Opaque, ToolSpec, Usage
from runner.transcripts.chunking import decode_lengths
from runner.transcripts.files.blobs import Blobs
from runner.transcripts.files.script_parser import parse_expectations, parse_inputs
from runner.transcripts.files.source_document import SourceDocument
from runner.transcripts.fingerprint import stamp_of, tool_digest, tool_signature, turns_digest
from runner.transcripts.model import (
    HAND_PREFIX,
    RecordedCall,
    RecordedEntry,
    RecordedError,
    RecordedReply,
    RecordedRequest,
    RecordedRoute,
    RecordedTool,
    Recording,
)

_HASH_KEYS = frozenset({"seen", "is", "system", "tools", "options", "turns"})
_REDACTED = "«"
_CALL_FIELDS = frozenset({"args_text", "returned", "failed"})


def parse_recording(source: SourceDocument, blobs: Blobs) -> Recording:
    """The recording that a document holds; what is wrong is reported to the source."""
    document = source.document.value
    name = document["recording"]
    by_hand = name.startswith(HAND_PREFIX)
    _restore_hash_texts(source)
    request = _request(document["request"], blobs) if "request" in document else None
    if request is None and not by_hand:
        source.report(
            ("recording",),
            "this recording has no request:, so nothing could tell whether it is stale",
            "take it out and record again, or name it hand/NAME",
        )
    elif request is not None and by_hand:
        source.report(
            ("request",),
            f"{name} is written by hand, so nothing compares this request: with what is sent",
            "delete request:, and keep the recording of the model beside this one",
            at_key=True,
        )
    if "expect" in document and not by_hand:
        source.report(("expect",), "only a hand/ recording brings its own expectations")
    parser = _ReplyParser(source, blobs)
    turns = {
        turn: tuple(parser.reply(turn, number, reply) for number, reply in enumerate(replies))
        for turn, replies in document["turns"].items()
    }
    parser.report_states_of_no_reply(turns)
    return Recording(
        name,
        turns,
        source.lazy_location("recording"),
        document.get("resolved", ""),
        document.get("recorded", ""),
        parse_inputs(source, node_path=("with",)),
        request,
        document.get("redacted", {}),
        tuple(document.get("accepted", ())),
        parse_expectations(source, ("expect",), document["expect"]) if "expect" in document else None,
        request is not None and not by_hand and _is_edited(document, request),
        {turn: source.lazy_location("turns", turn) for turn in turns},
        source.lazy_location(),
        tuple(
            RecordedRoute(route["model"], *(route.get(key, {}) for key in ("capabilities", "options", "stamp")))
            for route in document.get("routes", ())
        ),
    )


def _is_edited(document: Mapping[str, Any], request: RecordedRequest) -> bool:
    """A machine-written document no longer has the turns, or the request, that its hashes are of."""
    tools = {name: tool.digest for name, tool in request.tools.items()}
    stamp = stamp_of(request.system, tools, request.options) | {"turns": turns_digest(document["turns"])}
    return stamp != request.stamp or any(_is_edited_tool(name, tool) for name, tool in request.tools.items())


def _is_edited_tool(name: str, tool: RecordedTool) -> bool:
    """What a recording tells of a tool is not what its hash is of, as far as it tells all and nothing is redacted."""
    try:
        text = tool.schema_text()
    except ValueError:
        return False  # the blob is missing, or was edited itself: told where it is needed
    if not text or _REDACTED in "".join((text, tool.description, tool.signature)):
        return False
    try:
        schema = json.loads(text)
        spec = ToolSpec(name, tool.description, schema)
        return tool_digest(spec) != tool.digest or tool_signature(spec) != tool.signature
    except (ValueError, RecursionError, AttributeError, TypeError):
        return True  # no schema, so it was not written so


def _restore_hash_texts(source: SourceDocument) -> None:
    """Put back each hash as it is written where YAML took it for a number, as it does 854897e8."""
    document = source.document.value
    request: Mapping[str, Any] = document.get("request", {})
    mappings: list[tuple[NodePath, dict[str, Any]]] = [(("request", "stamp"), request.get("stamp", {}))]
    mappings += ((("routes", n, "stamp"), route.get("stamp", {})) for n, route in enumerate(document.get("routes", ())))
    mappings += ((("request", "tools", name), tool) for name, tool in request.get("tools", {}).items())
    mappings += (
        (("turns", turn, number, "reply"), reply["reply"])
        for turn, replies in document["turns"].items()
        for number, reply in enumerate(replies)
    )
    for node_path, mapping in mappings:
        for key in _HASH_KEYS & mapping.keys():
            if not isinstance(mapping[key], str):
                mapping[key] = source.raw_text(*node_path, key)


def _request(request: Mapping[str, Any], blobs: Blobs) -> RecordedRequest:
    tools = {name: _tool(tool, blobs) for name, tool in request.get("tools", {}).items()}
    entries = {
        name: RecordedEntry(entry["kind"], entry.get("options", {}), tuple(entry.get("tools", ())))
        for name, entry in request.get("entries", {}).items()
    }
    return RecordedRequest(
        request["system"], tools, request["options"], request["stamp"], entries if "entries" in request else None
    )


def _tool(tool: Mapping[str, Any], blobs: Blobs) -> RecordedTool:
    schema = tool.get("schema", "")
    apart = isinstance(schema, dict)
    return RecordedTool(
        tool.get("sig", ""),
        tool.get("doc", ""),
        tool.get("is", ""),
        "" if apart else schema,
        partial(blobs.get, schema) if apart else None,
    )


class _ReplyParser:
    """Makes replies of a recording's nodes, with what its blobs and its `state` hold."""

    def __init__(self, source: SourceDocument, blobs: Blobs) -> None:
        self._source = source
        self._blobs = blobs
        self._states: Mapping[str, Any] = source.document.value.get("state", {})

    def reply(self, turn: str, number: int, reply: Mapping[str, Any]) -> RecordedReply:
        node_path: NodePath = ("turns", turn, number)
        fields, error = reply["reply"], reply["reply"].get("error")
        if error is not None and "finish" in fields:
            self._source.report((*node_path, "reply", "finish"), "a reply that fails with error: has no finish:")
        text = self._text(node_path, reply, "text")
        calls = tuple(
            self._call((*node_path, "calls", position), call)._replace(asked=position + 1 in fields.get("asked", ()))
            for position, call in enumerate(reply.get("calls", ()))
        )
        return RecordedReply(
            fields.get("seen", ""),
            fields.get("finish") or ("" if error is not None else "tool_calls" if calls else "stop"),
            text,
            self._lengths((*node_path, "chunks"), reply.get("chunks", ""), text),
            self._text(node_path, reply, "thinking"),
            calls,
            _usage(fields),
            (int(fields["ms"][0]), int(fields["ms"][1])) if "ms" in fields else None,
            _error(error) if error is not None else None,
            self._state(f"{turn}/{number + 1}"),
            fields.get("route", 1),
        )

    def report_states_of_no_reply(self, turns: Mapping[str, tuple[RecordedReply, ...]]) -> None:
        replies = {f"{turn}/{number}" for turn in turns for number in range(1, len(turns[turn]) + 1)}
        for name in self._states:
            if name not in replies:
                self._source.report(("state", name), f"state: there is no reply {name}", at_key=True)

    def _call(self, node_path: NodePath, call: Mapping[str, Any]) -> RecordedCall:
        names = [key for key in call if key not in _CALL_FIELDS]
        if len(names) != 1:
            message = "a call names exactly one tool, besides args_text, returned and failed"
            self._source.report(node_path, message)
            return RecordedCall("", {})
        if "failed" in call and "returned" not in call:
            self._source.report((*node_path, "failed"), "failed: speaks of a result, and there is no returned:")
        name, raw = names[0], ""
        arguments = self._value((*node_path, name), call[name])
        if not isinstance(arguments, Mapping | None):
            self._source.report((*node_path, name), "the arguments of a call are a mapping")
            arguments = None
        if "args_text" in call:
            if arguments is not None:
                message = "args_text: stands in the place of arguments"
                self._source.report((*node_path, "args_text"), message, f"write {name}: null", at_key=True)
            raw = self._text(node_path, call, "args_text")
            arguments, _ = parse_arguments(raw)
        elif arguments is None:
            arguments = {}
        returned = self._value((*node_path, "returned"), call.get("returned"))
        return RecordedCall(name, arguments, raw, returned, call.get("failed", False), "returned" in call)

    def _text(self, node_path: NodePath, fields: Mapping[str, Any], key: str) -> str:
        """The text at a key, in place or in a blob."""
        text = self._value((*node_path, key), fields.get(key, ""), "")
        if isinstance(text, str):
            return text
        self._source.report((*node_path, key), f"{key}: this blob holds no text")
        return ""

    def _value(self, node_path: NodePath, value: Any, otherwise: Any = None) -> Any:
        """The value, or what the blob holds that it refers to; reported, and `otherwise`, where that cannot be had."""
        if not isinstance(value, dict):
            return value
        try:
            return self._blobs.get(value)
        except ValueError as error:
            self._source.report(node_path, str(error))
            return otherwise

    def _lengths(self, node_path: NodePath, coded: str | int, text: str) -> tuple[int, ...]:
        try:
            return decode_lengths(str(coded), len(text))
        except ValueError as error:
            self._source.report(node_path, f"chunks: {str(coded)[:40]!r} is not a row of lengths: {error}")
            return ()

    def _state(self, name: str) -> Opaque | None:
        if name not in self._states:
            return None
        text = self._text(("state",), self._states, name)
        try:
            match json.loads(text):
                case [str(dialect), str(model), content]:
                    return Opaque(dialect, model, content)
        except (ValueError, RecursionError):
            pass
        self._source.report(("state", name), f"state: {name} is not [DIALECT, MODEL, CONTENT] as JSON")
        return None


def _error(error: Mapping[str, Any]) -> RecordedError:
    status, wait = int(error.get("status", 0)), error.get("retry_after")
    return RecordedError(status, error.get("code", ""), error.get("message", ""), wait)


def _usage(fields: Mapping[str, Any]) -> Usage | None:
    if "in" not in fields and "out" not in fields:
        return None
    return Usage(*(int(fields.get(key, 0)) for key in ("in", "out", "cached", "reasoning")))
