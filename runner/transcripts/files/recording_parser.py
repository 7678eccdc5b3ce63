"""A recording's document, checked by the schema, as values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from runner.core.chunks import parse_arguments
from runner.core.messages import Opaque, Usage
from runner.transcripts.chunking import decode_lengths
from runner.transcripts.files.blobs import Blobs
from runner.transcripts.files.location import Sheet
from runner.transcripts.files.script_parser import expected, inputs
from runner.transcripts.fingerprint import turns_digest
from runner.transcripts.model import (
    RecordedCall,
    RecordedError,
    RecordedReply,
    RecordedRequest,
    RecordedTool,
    Recording,
    Route,
)

_HASHES = frozenset({"seen", "is", "system", "tools", "options", "turns"})
_ABOUT_A_CALL = frozenset({"args_text", "returned", "failed"})


def recording(sheet: Sheet, blobs: Blobs) -> Recording:
    """The recording that a document holds; what is wrong goes to the sheet."""
    given = sheet.document.value
    _take_hashes_for_texts(sheet)
    request = _request(given["request"]) if "request" in given else None
    states = given.get("state", {})
    turns = {
        turn: tuple(
            _reply(sheet, ("turns", turn, number), reply, blobs, states.get(f"{turn}/{number + 1}"))
            for number, reply in enumerate(replies)
        )
        for turn, replies in (given["turns"] or {}).items()
    }
    return Recording(
        given["recording"],
        turns,
        sheet.spot("recording"),
        given.get("resolved", ""),
        given.get("recorded", ""),
        inputs(sheet, route=("with",)),
        request,
        given.get("redacted", {}),
        tuple(given.get("accepted", ())),
        expected(sheet, ("expect",), given["expect"]) if "expect" in given else None,
        request is not None and request.stamp.get("turns", "") not in ("", turns_digest(given["turns"])),
    )


def _take_hashes_for_texts(sheet: Sheet) -> None:
    """A hash that stands bare may look like a number, as 854897e8 does: the word itself counts."""
    given = sheet.document.value
    request: Mapping[str, Any] = given.get("request", {})
    holders: list[tuple[Route, dict[str, Any]]] = [(("request", "stamp"), request.get("stamp", {}))]
    holders += ((("request", "tools", name), tool) for name, tool in request.get("tools", {}).items())
    holders += (
        (("turns", turn, number, "reply"), reply["reply"])
        for turn, replies in (given["turns"] or {}).items()
        for number, reply in enumerate(replies)
    )
    for route, held in holders:
        for key in (held and _HASHES & held.keys()) or ():
            if not isinstance(held[key], str):
                held[key] = sheet.source(*route, key)


def _request(given: Mapping[str, Any]) -> RecordedRequest:
    tools = {
        name: RecordedTool(tool.get("sig", ""), tool.get("doc", ""), tool.get("is", ""))
        for name, tool in given.get("tools", {}).items()
    }
    return RecordedRequest(given["system"], tools, given["options"], given["stamp"])


def _reply(sheet: Sheet, route: Route, given: Mapping[str, Any], blobs: Blobs, state: Any) -> RecordedReply:
    facts = given["reply"] or {}
    error = facts.get("error")
    calls = tuple(
        _call(sheet, (*route, "calls", position), call, blobs) for position, call in enumerate(given.get("calls", ()))
    )
    return RecordedReply(
        facts.get("seen", ""),
        facts.get("finish") or ("" if error else "tool_calls" if calls else "stop"),
        _get(sheet, (*route, "text"), given.get("text", ""), blobs),
        _lengths(sheet, (*route, "chunks"), given.get("chunks", "")),
        _get(sheet, (*route, "thinking"), given.get("thinking", ""), blobs),
        calls,
        _usage(facts),
        tuple(facts["ms"]) if len(facts.get("ms", ())) == 2 else None,
        RecordedError(error.get("status", 0), error.get("code", ""), error.get("message", ""), error.get("retry_after"))
        if error is not None
        else None,
        Opaque(*json.loads(_get(sheet, ("state",), state, blobs))) if state is not None else None,
    )


def _call(sheet: Sheet, route: Route, given: Mapping[str, Any], blobs: Blobs) -> RecordedCall:
    names = [key for key in given if key not in _ABOUT_A_CALL]
    if len(names) != 1:
        sheet.problem(route, "a call names exactly one tool, besides args_text, returned and failed")
        return RecordedCall("", {})
    name = names[0]
    returned = _get(sheet, (*route, "returned"), given.get("returned"), blobs)
    arguments, raw = _get(sheet, (*route, name), given[name], blobs), ""
    if "args_text" in given:
        raw = _get(sheet, (*route, "args_text"), given["args_text"], blobs)
        arguments, _ = parse_arguments(raw)
    elif arguments is None:
        arguments = {}
    return RecordedCall(name, arguments, raw, returned, given.get("failed", False), "returned" in given)


def _get(sheet: Sheet, route: Route, value: Any, blobs: Blobs) -> Any:
    if not isinstance(value, dict):
        return value
    try:
        return blobs.get(value)
    except ValueError as error:
        sheet.problem(route, str(error))
        return ""


def _lengths(sheet: Sheet, route: Route, coded: Any) -> tuple[int, ...]:
    try:
        return decode_lengths(str(coded))
    except ValueError:
        sheet.problem(route, f"chunks: {coded!r} is not a row of lengths", "such as 4 1x3 2")
        return ()


def _usage(facts: Mapping[str, Any]) -> Usage | None:
    if "in" not in facts and "out" not in facts:
        return None
    return Usage(facts.get("in", 0), facts.get("out", 0), facts.get("cached", 0), facts.get("reasoning", 0))
