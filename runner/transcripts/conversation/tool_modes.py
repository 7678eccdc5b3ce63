"""What a call of a tool does in a replay: the mode that the transcript gives it, or the default by its effects."""

from __future__ import annotations

from collections.abc import Mapping

from runner.config.agent import Agent
from runner.core.messages import ToolSpec
from runner.tools.catalogue import tool_kind_of
from runner.transcripts.model import ToolMode

RUNNING_MODES = frozenset({"verify", "execute"})
"""The modes in which a tool is run."""

_ASKS_USER = "ask_user"


def tool_mode(spec: ToolSpec, modes: Mapping[str, ToolMode]) -> ToolMode:
    """The mode of the tool: as the transcript says, or verify for one without effects, stub for any other.

    A tool that asks the user is run: the script answers it, and that counts as the user's own words.
    """
    if spec.name in modes:
        return modes[spec.name]
    if spec.name == _ASKS_USER:
        return "execute"
    return "verify" if spec.effects == "none" else "stub"


def served_prefixes(agent: Agent) -> tuple[str, ...]:
    """The name prefixes of tools that only a running server can list; a replay takes them from its recording."""
    kinds = ((tool_kind_of(entry), entry) for entry in agent.tools)
    return tuple(kind.prefix(entry) or "" for kind, entry in kinds if kind.served)
