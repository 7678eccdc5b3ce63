"""What a tool is: protocols for one tool, for a source of tools, and for the set of tools that a session has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from runner.core.messages import ToolCall, ToolResult, ToolSpec
from runner.tools.context import Context


@runtime_checkable
class Tool(Protocol):
    """One thing that can be done.

    It may also have `timeout` (seconds, None for the agent's), `inline` (True: it runs in the session's own thread, for
    what talks to the user), `close()`, and for permission rules `kind` ("command", …), `canonical(arguments)`: the
    arguments in their one spelling, `separator`: what stands between a group's name and its tool's,
    `pattern_spellings(pattern)`: a pattern for such a text in its one spelling, the truest first, and
    `subjects(arguments)`: the texts that stand for a call, the truest first. `preview(arguments)` is what a call would
    change, as a diff, for the user who is asked about it.
    """

    @property
    def spec(self) -> ToolSpec:
        """What the model is told."""

    def run(self, arguments: Mapping[str, Any], context: Context) -> Any:
        """Do it: text, any JSON value or a ToolOutput. What it raises becomes a failed result that the model reads."""


@runtime_checkable
class ToolSource(Protocol):
    """Tools that are known only later and may change between turns: those of a server, say."""

    def tools(self) -> Sequence[Tool]:
        """The tools of now; waits until they are known."""

    def close(self) -> None:
        """Let go of what the tools hold."""


@runtime_checkable
class Tools(Protocol):
    """What the engine needs of a set of tools."""

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """The tools as the model is told of them, in order."""

    def spec(self, name: str) -> ToolSpec | None:
        """The tool of that name as the model is told of it."""

    def find(self, name: str) -> Tool | None:
        """The tool of that name, for the permission rules of its kind; None where there is none to be asked."""

    def seconds(self, call: ToolCall) -> float | None:
        """How long the call may take; None for one that answers at once."""

    def call(self, call: ToolCall, context: Context) -> ToolResult:
        """The call's result. Never raises."""

    def close(self) -> None:
        """Let go of what the tools hold."""
