"""Names in a transcript that stand for nothing: tools that the agent lacks, variables that nothing uses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from runner.config.agent import Agent
from runner.config.diagnostics import Diagnostic
from runner.core.errors import UsageError
from runner.core.spelling import nearest
from runner.tools.catalogue import tool_kind_of
from runner.tools.entry import ToolEntry
from runner.transcripts.expectations.tools import tool_name
from runner.transcripts.files.source_document import NodeLocation
from runner.transcripts.model import Expectation, RecordedCall, Recording, Transcript

Role = Literal["mode", "approve", "ask_user", "call", "variable"]


class _Used(NamedTuple):
    """A name as the file uses it, and where."""

    role: Role
    name: str
    written: NodeLocation


_MESSAGES: Mapping[str, str] = {
    "mode": "tools: the agent has no tool {!r}",
    "approve": "answers.approve: the agent has no tool {!r}",
    "ask_user": "answers.ask_user: the agent has no tool that asks the user",
    "call": "tools: the agent has no tool {!r}, and no recording calls one",
    "variable": "variables: neither the agent nor this file uses {!r}",
}


def name_diagnostics(transcript: Transcript, agent: Agent, *, offline: bool = True) -> list[Diagnostic]:
    """The names in a transcript, and in the partials that it includes, that stand for nothing.

    The tools and variables of a suite file are for many agents.

    A tool of a server, or of code that is not imported here, is known from the recordings; where these show none of
    its kind, or for a conversation that is not `offline`, any name that it could have is taken.
    """
    offered = {name for recording in transcript.recordings if recording.request for name in recording.request.tools}
    called = offered | {call.name for recording in transcript.recordings for call in _calls(recording)}
    known: _AgentTools | None = None
    diagnostics = []
    for used in _used_names(transcript):
        if used.role == "variable":
            if used.name in agent.variables or _is_read(used.name, transcript):
                continue
            names: set[str] = {*agent.variables}
        elif used.name in (called if used.role in ("call", "approve") else offered):
            continue
        else:
            known = known or _agent_tools(agent)
            prefixes = known.prefixes
            if offline:
                prefixes = [prefix for prefix in prefixes if not _shows_any(prefix, offered, transcript)]
            if used.name in known.names or used.name.startswith(tuple(prefixes)):
                continue
            if used.role == "ask_user" and known.may_ask:
                continue
            names = known.names | offered
        written = used.written.location
        message, hint = _MESSAGES[used.role].format(used.name), nearest(used.name, sorted(names))
        diagnostics.append(Diagnostic(str(written.path), written.line, written.column, message, hint))
    return diagnostics


def _used_names(transcript: Transcript) -> Iterator[_Used]:
    if isinstance(transcript.root, NodeLocation):
        yield from _keys(transcript.root, "mode", "tools")
        yield from _keys(transcript.root, "variable", "variables")
    for recording in transcript.recordings:
        if recording.by_hand and isinstance(recording.root, NodeLocation):
            yield from _keys(recording.root, "variable", "with", "variables")
    for turn in transcript.turns:
        if isinstance(written := turn.lazy_location, NodeLocation):
            for position, name in enumerate(turn.answers.approve or ()):
                yield _Used("approve", name, written.at("answers", "approve", position))
            if turn.answers.ask_user:
                yield _Used("ask_user", "ask_user", written.at("answers", "ask_user"))
    for expectation in expectations_of(transcript):
        written = expectation.lazy_location
        if expectation.kind == "tools" and isinstance(written, NodeLocation):
            listed = isinstance(expectation.expected, list)
            for position, item in enumerate(expectation.expected if listed else expectation.expected["calls"]):
                name = tool_name(item)
                if "{{" not in name:
                    yield _Used("call", name, written.at(*(() if listed else ("calls",)), position, name))


def _keys(root: NodeLocation, role: Role, *node_path: str) -> Iterator[_Used]:
    """The keys of a mapping of the document."""
    mapping = root.source.document.value
    for key in node_path:
        mapping = mapping.get(key, {})
    for name in mapping:
        yield _Used(role, name, root.at(*node_path, name))


def expectations_of(transcript: Transcript) -> Iterator[Expectation]:
    """Every expectation of the turns, of the end and of the recordings."""
    for turn in transcript.turns:
        yield from turn.expect
    yield from transcript.finally_
    for recording in transcript.recordings:
        yield from recording.expect or ()


def _calls(recording: Recording) -> Iterator[RecordedCall]:
    for replies in recording.turns.values():
        for reply in replies:
            yield from reply.calls


def _is_read(name: str, transcript: Transcript) -> bool:
    """A template of the script speaks of the variable."""
    word = re.compile(rf"\b{re.escape(name)}\b")
    texts = (*(turn.user for turn in transcript.turns), *(str(each.expected) for each in expectations_of(transcript)))
    return any(word.search(text) for text in texts if "{{" in text or "{%" in text)


def _shows_any(prefix: str, offered: set[str], transcript: Transcript) -> bool:
    """A recording shows which tools begin so."""
    if not prefix:
        return any(recording.request is not None for recording in transcript.recordings)
    return any(name.startswith(prefix) for name in offered)


class _AgentTools(NamedTuple):
    """The names of an agent's tools, how further ones may begin, and whether one may ask the user by itself."""

    names: set[str]
    prefixes: list[str]
    may_ask: bool


def _agent_tools(agent: Agent) -> _AgentTools:
    names: set[str] = set()
    prefixes: list[str] = []
    may_ask = False
    for entry in agent.tools:
        kind = tool_kind_of(entry)
        if kind.opens_safely(entry):
            try:
                names |= _opened_names(entry)
            except UsageError:
                prefixes.append(kind.prefix(entry) or entry.name)
            continue
        may_ask = may_ask or not kind.served
        prefix = kind.prefix(entry)
        if prefix is None:
            names.add(entry.name)
            if not kind.name_is_sure(entry):
                prefixes.append("")
        else:
            prefixes.append(prefix)
    return _AgentTools(names, prefixes, may_ask)


def _opened_names(entry: ToolEntry) -> set[str]:
    from runner.tools import open_toolbox  # lazy: most names are known from the recordings

    toolbox = open_toolbox([entry])
    try:
        return {spec.name for spec in toolbox.specs}
    finally:
        toolbox.close()
