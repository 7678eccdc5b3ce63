"""Entries under `tools:` that a replay leaves closed, since opening them would run, import or contact something.

Their tools are known from the recording: their names and schemas, and what the agent file said of each entry.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from runner.config.agent import Agent
from runner.core.messages import ToolSpec
from runner.tools.catalogue import tool_kind_of
from runner.tools.entry import ToolEntry
from runner.transcripts.conversation.tool_modes import can_stay_closed
from runner.transcripts.expectations.matchers import json_equal, json_line
from runner.transcripts.model import RecordedEntry, RecordedRequest, RecordedTool, Recording

_ANY_ARGUMENTS: Mapping[str, Any] = {"type": "object"}


class ClosedEntry(NamedTuple):
    """An entry that is not opened, and the tools that the recording knows of it.

    `imports`: it stays closed only because nobody trusts its code.
    """

    entry: ToolEntry
    specs: tuple[ToolSpec, ...]
    imports: bool

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(spec.name for spec in self.specs)


class EntryChange(NamedTuple):
    """What the agent file says of an entry that stays closed, and the recording does not; the line, and a diff."""

    where: str
    diff: str


def recorded_entries(
    entries: Iterable[ToolEntry], tool_names: Iterable[str], entry_of: Callable[[str], ToolEntry | None]
) -> dict[str, RecordedEntry]:
    """What a recording keeps of the entries that its replay may leave closed; `entry_of` tells whose a tool is."""
    names = list(tool_names)
    return {
        entry.name: RecordedEntry(
            entry.kind, _shown_options(entry), tuple(name for name in names if entry_of(name) is entry)
        )
        for entry in entries
        if can_stay_closed(entry)
    }


def tool_names_of(entry: ToolEntry, agent: Agent, recording: Recording) -> tuple[str, ...] | None:
    """The names of the entry's tools as far as the recording tells; None if only the entry's code could tell."""
    request = recording.request
    own_name = tool_kind_of(entry).prefix(entry) is None
    if request is None:  # written by hand: what it calls is all that it knows
        called = {call.name: None for replies in recording.turns.values() for reply in replies for call in reply.calls}
        return (entry.name,) if own_name else _given(entry, agent, called)
    if not _is_old(request):
        recorded = (request.entries or {}).get(entry.name)
        return recorded.tools if recorded is not None and recorded.kind == entry.kind else ()
    names = _given(entry, agent, request.tools)
    return names if names or not own_name else None


def closed_entry(entry: ToolEntry, names: Iterable[str], recording: Recording) -> ClosedEntry:
    """The entry with its tools of these names, as the recording knows them."""
    kind = tool_kind_of(entry)
    tools = recording.request.tools if recording.request is not None else {}
    effects = entry.options.get("effects", kind.effects)
    specs = (
        ToolSpec(
            name,
            tools[name].description if name in tools else str(entry.options.get("description", "")),
            _parameters(tools.get(name)),
            effects,
        )
        for name in names
        if recording.request is None or name in tools
    )
    return ClosedEntry(entry, tuple(specs), not kind.served)


def entry_changes(closed: Sequence[ClosedEntry], recording: Recording) -> Iterator[EntryChange]:
    """What can be told from the agent file alone of entries that are closed: new ones, and other options."""
    request = recording.request
    if request is None:
        return
    for entry, specs, _ in closed:
        recorded = (request.entries or {}).get(entry.name)
        if recorded is None or recorded.kind != entry.kind:
            may_be_missing = _is_old(request) and entry.options.get("required") is False  # it did not start, perhaps
            if not specs and not may_be_missing:
                yield EntryChange(entry.where, f"+{entry.kind}: {entry.name}, which the recording does not know")
            continue
        today = _shown_options(entry)
        lines = [
            f"{sign}{entry.kind}: {entry.name}, {key}: {json_line(options[key], 200) if key in options else 'none'}"
            for key in sorted({**recorded.options, **today})
            if not json_equal(recorded.options.get(key), today.get(key))
            for sign, options in (("-", recorded.options), ("+", today))
        ]
        if lines:
            yield EntryChange(entry.where, "\n".join(lines))


def _shown_options(entry: ToolEntry) -> dict[str, Any]:
    """The options that decide what the model is told; a list of them is a filter, whose order says nothing."""
    shown = tool_kind_of(entry).shown_options
    return {
        key: sorted(value) if isinstance(value, list | tuple) else value
        for key, value in sorted(entry.options.items())
        if key in shown
    }


def _given(entry: ToolEntry, agent: Agent, names: Iterable[str]) -> tuple[str, ...]:
    """Those of the names that the entry may have given: by its name or prefix, the longest if several fit."""

    def length(other: ToolEntry) -> int:
        return len(tool_kind_of(other).prefix(other) or other.name)

    found = []
    for name in names:
        givers = [each for each in agent.tools if tool_kind_of(each).may_give(each, name)]
        if givers and max(givers, key=length) is entry:
            found.append(name)
    return tuple(found)


def _is_old(request: RecordedRequest) -> bool:
    """Recorded by a version that kept neither entries nor schemas."""
    tools = request.tools.values()
    return request.entries is None and any(not tool.schema and tool.load_schema is None for tool in tools)


def _parameters(tool: RecordedTool | None) -> Mapping[str, Any]:
    """The recorded schema; one that allows anything where there is none, or where its blob is gone."""
    try:
        schema = json.loads(tool.schema_text()) if tool is not None else None
    except ValueError:
        schema = None
    return schema if isinstance(schema, dict) else _ANY_ARGUMENTS
