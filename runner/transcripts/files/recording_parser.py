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
from runner.transcripts.files.location import SourceDocument
from runner.transcripts.files.script_parser import expected, inputs
from runner.transcripts.fingerprint import turns_digest
from runner.transcripts.model import (
    RecordedCall,
    RecordedError,
    RecordedReply,
    RecordedRequest,
    RecordedTool,
    Recording,
)

_HASHES = frozenset({"seen", "is", "system", "tools", "options", "turns"})
_ABOUT_A_CALL = frozenset({"args_text", "returned", "failed"})


def recording(source: SourceDocument, blobs: Blobs) -> Recording:
    """The recording that a document holds; what is wrong goes to the source."""
    given = source.document.value
    _take_hashes_for_texts(source)
    request = _request(given["request"]) if "request" in given else None
    states = given.get("state", {})
    turns = {
        turn: tuple(
            _reply(source, ("turns", turn, number), reply, blobs, states.get(f"{turn}/{number + 1}"))
            for number, reply in enumerate(replies)
        )
        for turn, replies in (given["turns"] or {}).items()
    }
    return Recording(
        given["recording"],
        turns,
        source.lazy_location("recording"),
        given.get("resolved", ""),
        given.get("recorded", ""),
        inputs(source, node_path=("with",)),
        request,
        given.get("redacted", {}),
        tuple(given.get("accepted", ())),
        expected(source, ("expect",), given["expect"]) if "expect" in given else None,
        request is not None and request.stamp.get("turns", "") not in ("", turns_digest(given["turns"])),
    )


def _take_hashes_for_texts(source: SourceDocument) -> None:
    """A hash that stands bare may look like a number, as 854897e8 does: the word itself counts."""
    given = source.document.value
    request: Mapping[str, Any] = given.get("request", {})
    holders: list[tuple[NodePath, dict[str, Any]]] = [(("request", "stamp"), request.get("stamp", {}))]
    holders += ((("request", "tools", name), tool) for name, tool in request.get("tools", {}).items())
    holders += (
        (("turns", turn, number, "reply"), reply["reply"])
        for turn, replies in (given["turns"] or {}).items()
        for number, reply in enumerate(replies)
    )
    for node_path, held in holders:
        for key in (held and _HASHES & held.keys()) or ():
            if not isinstance(held[key], str):
                held[key] = source.raw_text(*node_path, key)


def _request(given: Mapping[str, Any]) -> RecordedRequest:
    tools = {
        name: RecordedTool(tool.get("sig", ""), tool.get("doc", ""), tool.get("is", ""))
        for name, tool in given.get("tools", {}).items()
    }
    return RecordedRequest(given["system"], tools, given["options"], given["stamp"])


def _reply(
    source: SourceDocument, node_path: NodePath, given: Mapping[str, Any], blobs: Blobs, state: Any
) -> RecordedReply:
    facts = given["reply"] or {}
    error = facts.get("error")
    calls = tuple(
        _call(source, (*node_path, "calls", position), call, blobs)
        for position, call in enumerate(given.get("calls", ()))
    )
    return RecordedReply(
        facts.get("seen", ""),
        facts.get("finish") or ("" if error else "tool_calls" if calls else "stop"),
        _get(source, (*node_path, "text"), given.get("text", ""), blobs),
        _lengths(source, (*node_path, "chunks"), given.get("chunks", "")),
        _get(source, (*node_path, "thinking"), given.get("thinking", ""), blobs),
        calls,
        _usage(facts),
        tuple(facts["ms"]) if len(facts.get("ms", ())) == 2 else None,
        RecordedError(error.get("status", 0), error.get("code", ""), error.get("message", ""), error.get("retry_after"))
        if error is not None
        else None,
        Opaque(*json.loads(_get(source, ("state",), state, blobs))) if state is not None else None,
    )


def _call(source: SourceDocument, node_path: NodePath, given: Mapping[str, Any], blobs: Blobs) -> RecordedCall:
    names = [key for key in given if key not in _ABOUT_A_CALL]
    if len(names) != 1:
        source.report(node_path, "a call names exactly one tool, besides args_text, returned and failed")
        return RecordedCall("", {})
    name = names[0]
    returned = _get(source, (*node_path, "returned"), given.get("returned"), blobs)
    arguments, raw = _get(source, (*node_path, name), given[name], blobs), ""
    if "args_text" in given:
        raw = _get(source, (*node_path, "args_text"), given["args_text"], blobs)
        arguments, _ = parse_arguments(raw)
    elif arguments is None:
        arguments = {}
    return RecordedCall(name, arguments, raw, returned, given.get("failed", False), "returned" in given)


def _get(source: SourceDocument, node_path: NodePath, value: Any, blobs: Blobs) -> Any:
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


def _usage(facts: Mapping[str, Any]) -> Usage | None:
    if "in" not in facts and "out" not in facts:
        return None
    return Usage(facts.get("in", 0), facts.get("out", 0), facts.get("cached", 0), facts.get("reasoning", 0))
