"""A recording as YAML text: what people read stands open, and any text at all comes back as it was."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from yaml import MappingNode, Node, SafeDumper, SafeLoader, ScalarNode, SequenceNode, serialize

from runner.transcripts.chunking import encode_lengths
from runner.transcripts.fingerprint import turns_digest
from runner.transcripts.model import (
    RecordedCall,
    RecordedError,
    RecordedReply,
    RecordedRequest,
    Recording,
    ReplayInputs,
)

HEADER = "---\n# Written by `agent-run record`; everything below a --- is machine-owned.\n"

_TAG = "tag:yaml.org,2002:"
_WORD = re.compile(r"[A-Za-z_][\w./-]*(?: [\w./()?!%-]+)*", re.ASCII)
_HASH = re.compile(r"(?=.*[a-df])[0-9a-f]{8}")
_SPECIAL = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
# What a literal block cannot carry: controls, other line ends, and what editors strip or YAML eats.
_NOT_LITERAL = re.compile(r"[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_BLANK_END = re.compile(r" (?:\n|\Z)")


def document(recording: Recording, blobs: Any = None) -> str:
    """The whole document, from its `---` to its last line end. `blobs` takes large texts out of it."""
    put = blobs.put if blobs is not None else lambda value: value
    top: list[tuple[str, Node]] = [("recording", _scalar(recording.name))]
    if recording.resolved:
        top.append(("resolved", _scalar(recording.resolved)))
    if recording.recorded:
        top.append(("recorded", _scalar(recording.recorded)))
    if inputs := _inputs(recording.inputs):
        top.append(("with", _flow(inputs)))
    if recording.redacted:
        top.append(("redacted", _flow(dict(recording.redacted))))
    if recording.accepted:
        top.append(("accepted", _flow(list(recording.accepted))))
    turns = turns_node(recording, put)
    if recording.request is not None:
        stamp = dict(recording.request.stamp) | {"turns": turns_digest(SafeLoader("").construct_document(turns))}
        top.append(("request", _request(recording.request, stamp)))
    top.append(("turns", turns))
    states = {
        f"{turn}/{number}": json.dumps([reply.opaque.dialect, reply.opaque.model, reply.opaque.content])
        for turn, replies in recording.turns.items()
        for number, reply in enumerate(replies, 1)
        if reply.opaque is not None
    }
    if states:
        top.append(("state", _block((key, _value(put(text))) for key, text in states.items())))
    return HEADER + node_text(_block(top))


def node_text(node: Node) -> str:
    """One node as YAML, as it stands at the left margin."""
    return serialize(node, Dumper=SafeDumper, width=1 << 30, allow_unicode=True)


def turns_node(recording: Recording, put: Any = lambda value: value) -> MappingNode:
    return _block(
        (turn, SequenceNode(_TAG + "seq", [_reply(reply, put) for reply in replies], flow_style=False))
        for turn, replies in recording.turns.items()
    )


def _inputs(inputs: ReplayInputs) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if inputs.clock is not None:
        shown["clock"] = inputs.clock.isoformat()
    if inputs.seed is not None:
        shown["seed"] = inputs.seed
    if inputs.variables:
        shown["variables"] = dict(inputs.variables)
    if inputs.capabilities:
        shown["capabilities"] = dict(inputs.capabilities)
    return shown


def _request(request: RecordedRequest, stamp: Mapping[str, str]) -> Node:
    parts: list[tuple[str, Node]] = [("system", _text(request.system))]
    if request.tools:
        tools = (
            (name, _flow({"sig": tool.signature, "doc": tool.description, "is": tool.digest}))
            for name, tool in request.tools.items()
        )
        parts.append(("tools", _block(tools)))
    parts.append(("options", _flow(dict(request.options))))
    parts.append(("stamp", _flow(dict(stamp))))
    return _block(parts)


def _reply(reply: RecordedReply, put: Any) -> Node:
    parts: list[tuple[str, Node]] = [("reply", _flow(_facts(reply)))]
    if reply.thinking:
        parts.append(("thinking", _value(put(reply.thinking), _text)))
    if reply.text:
        parts.append(("text", _value(put(reply.text), _text)))
    if reply.lengths:
        parts.append(("chunks", ScalarNode(_TAG + "str", encode_lengths(reply.lengths))))
    if reply.calls:
        calls = [_call(call, put) for call in reply.calls]
        parts.append(("calls", SequenceNode(_TAG + "seq", calls, flow_style=False)))
    return _block(parts)


def _facts(reply: RecordedReply) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if reply.seen:
        facts["seen"] = reply.seen
    if reply.error is not None:
        facts["error"] = _error(reply.error)
    if reply.finish:
        facts["finish"] = reply.finish
    if reply.usage is not None:
        facts |= {"in": reply.usage.input_tokens, "out": reply.usage.output_tokens}
        for key, count in (("cached", reply.usage.cached_tokens), ("reasoning", reply.usage.reasoning_tokens)):
            if count:
                facts[key] = count
    if reply.ms is not None:
        facts["ms"] = list(reply.ms)
    return facts


def _error(error: RecordedError) -> dict[str, Any]:
    shown: dict[str, Any] = {"status": error.status} if error.status else {}
    if error.code:
        shown["code"] = error.code
    if error.message:
        shown["message"] = error.message
    if error.retry_after is not None:
        shown["retry_after"] = error.retry_after
    return shown


def _call(call: RecordedCall, put: Any) -> Node:
    parts: list[tuple[str, Node]] = []
    if call.arguments is None:
        parts += [(call.name, _flow(None)), ("args_text", _value(put(call.raw), _text))]
    else:
        parts.append((call.name, _value(put(dict(call.arguments)))))
    if call.ran:
        parts.append(("returned", _value(put(call.returned))))
        if call.failed:
            parts.append(("failed", _flow(True)))
    return _block(parts)


def _block(items: Any) -> MappingNode:
    return MappingNode(_TAG + "map", [(_scalar(key), value) for key, value in items], flow_style=False)


def _value(value: Any, text: Any = None) -> Node:
    """A JSON value: a long text open, anything else on one line."""
    if isinstance(value, str):
        return (text or (_text if "\n" in value else _scalar))(value)
    return _flow(value)


def _flow(value: Any) -> Node:
    if isinstance(value, str):
        return _scalar(value)
    if isinstance(value, Mapping):
        return MappingNode(
            _TAG + "map", [(_scalar(str(key)), _flow(each)) for key, each in value.items()], flow_style=True
        )
    if isinstance(value, Sequence):
        return SequenceNode(_TAG + "seq", [_flow(each) for each in value], flow_style=True)
    if value is None or isinstance(value, bool):
        return ScalarNode(_TAG + ("null" if value is None else "bool"), json.dumps(value))
    if isinstance(value, int):
        return ScalarNode(_TAG + "int", str(value))
    return ScalarNode(_TAG + "float", _float(value))


def _float(value: float) -> str:
    """A number that YAML 1.1 and 1.2 both read as a float."""
    text = repr(float(value))
    if "e" in text:
        mantissa, exponent = text.split("e")
        sign = "" if exponent[0] in "+-" else "+"
        return f"{mantissa}{'' if '.' in mantissa else '.0'}e{sign}{exponent}"
    return {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}.get(text, text)


def _text(text: str) -> ScalarNode:
    """A text that people read: an open block where YAML can carry it unchanged."""
    fit = text and text[0] not in " \n" and not _NOT_LITERAL.search(text) and not _BLANK_END.search(text)
    return ScalarNode(_TAG + "str", text, style="|" if fit else '"')


def _scalar(text: str) -> ScalarNode:
    """A short text: bare only where no YAML reader could take it for something else."""
    if (_WORD.fullmatch(text) or _HASH.fullmatch(text)) and text.lower() not in _SPECIAL:
        return ScalarNode(_TAG + "str", text)
    quotable = "\n" not in text and not _NOT_LITERAL.search(text)
    return ScalarNode(_TAG + "str", text, style="'" if quotable else '"')


def inline(value: Any) -> str:
    """A value as YAML on one line, fit to stand anywhere."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=bool(_NOT_LITERAL.search(value)))
    return json.dumps(value)


def script(items: Iterable[tuple[str, Any]]) -> str:
    """A transcript's first document, as a machine writes one: top level and turns open, the rest on one line."""
    nodes = ((key, _turns(value) if key == "turns" else _value(value)) for key, value in items)
    return node_text(_block(nodes))


def _turns(turns: Sequence[Mapping[str, Any]]) -> Node:
    return SequenceNode(_TAG + "seq", [_turn(turn) for turn in turns], flow_style=False)


def _turn(turn: Mapping[str, Any]) -> Node:
    return _block((key, _expect(value) if key == "expect" else _value(value)) for key, value in turn.items())


def _expect(items: Sequence[Any]) -> Node:
    return SequenceNode(_TAG + "seq", [_flow(item) for item in items], flow_style=False)


def reply_text(reply: RecordedReply) -> str:
    """One reply as it stands in a recording, without what says nothing to people."""
    return node_text(_reply(reply._replace(seen="", ms=None, lengths=()), lambda value: value))
