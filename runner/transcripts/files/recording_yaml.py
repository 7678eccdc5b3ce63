"""A recording as YAML text: people can read it, and every text comes back as it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from yaml import MappingNode, Node, SafeLoader

from runner.transcripts.chunking import encode_lengths
from runner.transcripts.files.blobs import Blobs, escaped
from runner.transcripts.files.yaml_style import (
    block_mapping,
    block_sequence,
    flow_node,
    literal_node,
    node_text,
    plain_node,
    scalar_node,
    value_node,
)
from runner.transcripts.fingerprint import turns_digest
from runner.transcripts.model import (
    RecordedCall,
    RecordedEntry,
    RecordedError,
    RecordedReply,
    RecordedRequest,
    RecordedRoute,
    RecordedTool,
    Recording,
    ReplayInputs,
)

HEADER = "---\n# Written by `agent-run record`; everything below a --- is machine-owned.\n"

_Put = Callable[[Any], Any]
"""Takes a value, and gives the reference to its blob if it is too long for the document."""


def recording_document(recording: Recording, blobs: Blobs | None = None, escape: _Put = escaped) -> str:
    """The whole document, from its `---` to its last line end. `blobs` takes long values, `escape` marks others."""
    put: _Put = partial(blobs.put, escape=escape) if blobs is not None else escape
    items: list[tuple[str, Node]] = [("recording", scalar_node(recording.name))]
    if recording.resolved:
        items.append(("resolved", scalar_node(recording.resolved)))
    if recording.recorded:
        items.append(("recorded", scalar_node(recording.recorded)))
    if inputs := _inputs(recording.inputs):
        items.append(("with", flow_node(inputs)))
    if recording.redacted:
        items.append(("redacted", flow_node(dict(recording.redacted))))
    if recording.accepted:
        items.append(("accepted", flow_node(list(recording.accepted))))
    turns = _turns(recording, put)
    if recording.routes:
        items.append(("routes", block_sequence(map(flow_node, map(_route, recording.routes)))))
    if recording.request is not None:
        stamp = dict(recording.request.stamp) | {"turns": turns_digest(SafeLoader("").construct_document(turns))}
        items.append(("request", _request(recording.request, stamp, put)))
    items.append(("turns", turns))
    states = {
        f"{turn}/{number}": json.dumps([reply.opaque.dialect, reply.opaque.model, reply.opaque.content])
        for turn, replies in recording.turns.items()
        for number, reply in enumerate(replies, 1)
        if reply.opaque is not None
    }
    if states:
        items.append(("state", block_mapping((key, value_node(put(text))) for key, text in states.items())))
    return HEADER + node_text(block_mapping(items))


def reply_text(reply: RecordedReply) -> str:
    """One reply as it stands in a recording, without hashes, times and chunk lengths: for people to compare."""
    return node_text(_reply(reply._replace(seen="", ms=None, chunk_lengths=()), escaped))


def _turns(recording: Recording, put: _Put) -> MappingNode:
    return block_mapping(
        (turn, block_sequence(_reply(reply, put) for reply in replies)) for turn, replies in recording.turns.items()
    )


def _inputs(inputs: ReplayInputs) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if inputs.clock is not None:
        fields["clock"] = inputs.clock.isoformat()
    if inputs.seed is not None:
        fields["seed"] = inputs.seed
    if inputs.variables:
        fields["variables"] = dict(inputs.variables)
    if inputs.capabilities:
        fields["capabilities"] = dict(inputs.capabilities)
    fields |= {key: list(rules) for key, rules in (("allow", inputs.allow), ("deny", inputs.deny)) if rules}
    return fields


def _route(route: RecordedRoute) -> dict[str, Any]:
    fields = {"capabilities": route.capabilities, "options": route.options, "stamp": route.stamp}
    return {"model": route.model, **{key: dict(value) for key, value in fields.items() if value}}


def _request(request: RecordedRequest, stamp: Mapping[str, str], put: _Put) -> Node:
    items: list[tuple[str, Node]] = [("system", literal_node(request.system))]
    if request.tools:
        tools = ((name, flow_node(_tool(tool, put))) for name, tool in request.tools.items())
        items.append(("tools", block_mapping(tools)))
    if request.entries:
        entries = ((name, flow_node(_entry(entry))) for name, entry in request.entries.items())
        items.append(("entries", block_mapping(entries)))
    items.append(("options", flow_node(dict(request.options))))
    items.append(("stamp", flow_node(dict(stamp))))
    return block_mapping(items)


def _tool(tool: RecordedTool, put: _Put) -> dict[str, Any]:
    fields: dict[str, Any] = {"sig": tool.signature, "doc": tool.description, "is": tool.digest}
    return fields | {"schema": put(schema)} if (schema := tool.schema_text()) else fields


def _entry(entry: RecordedEntry) -> dict[str, Any]:
    options = {"options": dict(entry.options)} if entry.options else {}
    return {"kind": entry.kind, **options, "tools": list(entry.tools)}


def _reply(reply: RecordedReply, put: _Put) -> Node:
    items: list[tuple[str, Node]] = [("reply", flow_node(_reply_fields(reply)))]
    if reply.thinking:
        items.append(("thinking", value_node(put(reply.thinking), literal_node)))
    if reply.text:
        items.append(("text", value_node(put(reply.text), literal_node)))
    if reply.chunk_lengths:
        items.append(("chunks", plain_node(encode_lengths(reply.chunk_lengths))))
    if reply.calls:
        items.append(("calls", block_sequence(_call(call, put) for call in reply.calls)))
    return block_mapping(items)


def _reply_fields(reply: RecordedReply) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if reply.seen:
        fields["seen"] = reply.seen
    if reply.route != 1:
        fields["route"] = reply.route
    if asked := [position for position, call in enumerate(reply.calls, 1) if call.asked]:
        fields["asked"] = asked
    if reply.error is not None:
        fields["error"] = _error(reply.error)
    if reply.finish:
        fields["finish"] = reply.finish
    if reply.usage is not None:
        fields |= {"in": reply.usage.input_tokens, "out": reply.usage.output_tokens}
        for key, count in (("cached", reply.usage.cached_tokens), ("reasoning", reply.usage.reasoning_tokens)):
            if count:
                fields[key] = count
    if reply.ms is not None:
        fields["ms"] = list(reply.ms)
    return fields


def _error(error: RecordedError) -> dict[str, Any]:
    fields: dict[str, Any] = {"status": error.status} if error.status else {}
    if error.code:
        fields["code"] = error.code
    if error.message:
        fields["message"] = error.message
    if error.retry_after is not None:
        fields["retry_after"] = error.retry_after
    return fields


def _call(call: RecordedCall, put: _Put) -> Node:
    items: list[tuple[str, Node]] = []
    if call.arguments is None:
        items += [(call.name, flow_node(None)), ("args_text", value_node(put(call.raw), literal_node))]
    else:
        items.append((call.name, value_node(put(dict(call.arguments)))))
    if call.ran:
        items.append(("returned", value_node(put(call.returned))))
        if call.failed:
            items.append(("failed", flow_node(True)))
    return block_mapping(items)
