"""A recording's document, checked by the schema, as values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from runner.config.yaml.document import NodePath
from runner.core.chunks import parse_arguments
from runner.core.messages import Opaque, Usage
from runner.transcripts.chunking import decode_lengths
from runner.transcripts.files.blobs import Blobs
from runner.transcripts.files.script_parser import parse_expectations, parse_inputs
from runner.transcripts.files.source_document import SourceDocument
from runner.transcripts.fingerprint import turns_digest
from runner.transcripts.model import (
    RecordedCall,
    RecordedError,
    RecordedReply,
    RecordedRequest,
    RecordedTool,
    Recording,
)

_HASH_KEYS = frozenset({"seen", "is", "system", "tools", "options", "turns"})
_CALL_FIELDS = frozenset({"args_text", "returned", "failed"})


def parse_recording(source: SourceDocument, blobs: Blobs) -> Recording:
    """The recording that a document holds; what is wrong is reported to the source."""
    document = source.document.value
    _restore_hash_texts(source)
    request = _request(document["request"]) if "request" in document else None
    states = document.get("state", {})
    turns = {
        turn: tuple(
            _reply(source, ("turns", turn, number), reply, blobs, states.get(f"{turn}/{number + 1}"))
            for number, reply in enumerate(replies)
        )
        for turn, replies in (document["turns"] or {}).items()
    }
    return Recording(
        document["recording"],
        turns,
        source.lazy_location("recording"),
        document.get("resolved", ""),
        document.get("recorded", ""),
        parse_inputs(source, node_path=("with",)),
        request,
        document.get("redacted", {}),
        tuple(document.get("accepted", ())),
        parse_expectations(source, ("expect",), document["expect"]) if "expect" in document else None,
        request is not None and request.stamp.get("turns", "") not in ("", turns_digest(document["turns"])),
    )


def _restore_hash_texts(source: SourceDocument) -> None:
    """Put back each hash as it is written where YAML took it for a number, as it does 854897e8."""
    document = source.document.value
    request: Mapping[str, Any] = document.get("request", {})
    mappings: list[tuple[NodePath, dict[str, Any]]] = [(("request", "stamp"), request.get("stamp", {}))]
    mappings += ((("request", "tools", name), tool) for name, tool in request.get("tools", {}).items())
    mappings += (
        (("turns", turn, number, "reply"), reply["reply"])
        for turn, replies in (document["turns"] or {}).items()
        for number, reply in enumerate(replies)
    )
    for node_path, mapping in mappings:
        for key in (mapping and _HASH_KEYS & mapping.keys()) or ():
            if not isinstance(mapping[key], str):
                mapping[key] = source.raw_text(*node_path, key)


def _request(request: Mapping[str, Any]) -> RecordedRequest:
    tools = {
        name: RecordedTool(tool.get("sig", ""), tool.get("doc", ""), tool.get("is", ""))
        for name, tool in request.get("tools", {}).items()
    }
    return RecordedRequest(request["system"], tools, request["options"], request["stamp"])


def _reply(
    source: SourceDocument, node_path: NodePath, reply: Mapping[str, Any], blobs: Blobs, state: Any
) -> RecordedReply:
    fields = reply["reply"] or {}
    error = fields.get("error")
    calls = tuple(
        _call(source, (*node_path, "calls", position), call, blobs)
        for position, call in enumerate(reply.get("calls", ()))
    )
    return RecordedReply(
        fields.get("seen", ""),
        fields.get("finish") or ("" if error else "tool_calls" if calls else "stop"),
        _blob_value(source, (*node_path, "text"), reply.get("text", ""), blobs),
        _lengths(source, (*node_path, "chunks"), reply.get("chunks", "")),
        _blob_value(source, (*node_path, "thinking"), reply.get("thinking", ""), blobs),
        calls,
        _usage(fields),
        tuple(fields["ms"]) if len(fields.get("ms", ())) == 2 else None,
        RecordedError(error.get("status", 0), error.get("code", ""), error.get("message", ""), error.get("retry_after"))
        if error is not None
        else None,
        Opaque(*json.loads(_blob_value(source, ("state",), state, blobs))) if state is not None else None,
    )


def _call(source: SourceDocument, node_path: NodePath, call: Mapping[str, Any], blobs: Blobs) -> RecordedCall:
    names = [key for key in call if key not in _CALL_FIELDS]
    if len(names) != 1:
        source.report(node_path, "a call names exactly one tool, besides args_text, returned and failed")
        return RecordedCall("", {})
    name = names[0]
    returned = _blob_value(source, (*node_path, "returned"), call.get("returned"), blobs)
    arguments, raw = _blob_value(source, (*node_path, name), call[name], blobs), ""
    if "args_text" in call:
        raw = _blob_value(source, (*node_path, "args_text"), call["args_text"], blobs)
        arguments, _ = parse_arguments(raw)
    elif arguments is None:
        arguments = {}
    return RecordedCall(name, arguments, raw, returned, call.get("failed", False), "returned" in call)


def _blob_value(source: SourceDocument, node_path: NodePath, value: Any, blobs: Blobs) -> Any:
    """The value, or what the blob holds that it refers to; empty, and reported, where there is no such blob."""
    if not isinstance(value, dict):
        return value
    try:
        return blobs.get(value)
    except ValueError as error:
        source.report(node_path, str(error))
        return ""


def _lengths(source: SourceDocument, node_path: NodePath, coded: Any) -> tuple[int, ...]:
    try:
        return decode_lengths(str(coded))
    except ValueError:
        source.report(node_path, f"chunks: {coded!r} is not a row of lengths", "such as 4 1x3 2")
        return ()


def _usage(fields: Mapping[str, Any]) -> Usage | None:
    if "in" not in fields and "out" not in fields:
        return None
    return Usage(fields.get("in", 0), fields.get("out", 0), fields.get("cached", 0), fields.get("reasoning", 0))
