"""What a call of a tool does in a replay: the mode that the transcript gives it, or the default by its effects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from runner.core.messages import ToolSpec
from runner.tools.catalogue import tool_kind_of
from runner.tools.entry import ToolEntry
from runner.transcripts.model import ToolMode

RUNNING_MODES = frozenset({"verify", "execute"})
"""The modes in which a tool is run."""

_ASKS_USER = "ask_user"


def tool_mode(spec: ToolSpec, entry: ToolEntry | None, modes: Mapping[str, ToolMode]) -> ToolMode:
    """The mode of the tool: as the transcript says, or verify for one without effects, stub for any other.

    The built-in that asks the user is run: the script answers it, and that counts as the user's own words. What the
    tool is, is told by the `entry` that it was opened from; any tool may be called like a built-in.
    """
    if spec.name in modes:
        return modes[spec.name]
    if is_built_in(entry) and entry is not None and entry.name == _ASKS_USER:
        return "execute"
    return "verify" if spec.effects == "none" else "stub"


def is_built_in(entry: ToolEntry | None) -> bool:
    """Whether what was opened from the entry is ours, and needs no consent to be run."""
    return entry is not None and tool_kind_of(entry).built_in(entry)


def can_stay_closed(entry: ToolEntry) -> bool:
    """Opening the entry would start or ask a server, or import code that is not this program's."""
    kind = tool_kind_of(entry)
    return kind.served or kind.imports(entry)


def runs_in_replay(entry: ToolEntry, names: Iterable[str] | None, modes: Mapping[str, ToolMode]) -> bool:
    """Whether a tool of an entry that is not opened runs; `names` are those of its tools, None if nobody knows them."""
    kind = tool_kind_of(entry)
    for name, mode in modes.items():
        if mode in RUNNING_MODES and (name in names if names else kind.may_give(entry, name)):
            return True
    harmless = entry.options.get("effects", kind.effects) == "none" and not kind.served
    return harmless and any(name not in modes for name in names or (entry.name,))
