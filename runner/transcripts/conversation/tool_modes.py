"""What a call of a tool does in a replay: the mode that the transcript gives it, or the default by its effects."""

from __future__ import annotations

from collections.abc import Mapping

from runner.config.agent import Agent
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


def served_prefixes(agent: Agent) -> tuple[str, ...]:
    """The name prefixes of tools that only a running server can list; a replay takes them from its recording."""
    kinds = ((tool_kind_of(entry), entry) for entry in agent.tools)
    return tuple(kind.prefix(entry) or "" for kind, entry in kinds if kind.served)
