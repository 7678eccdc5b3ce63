"""The tools of one session: found by name, called with checked arguments, never raising."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, overload, runtime_checkable

from runner.core.messages import Effects, ToolCall, ToolResult, ToolSpec
from runner.tools.context import Context


@runtime_checkable
class Tool(Protocol):
    """One thing that can be done."""

    @property
    def spec(self) -> ToolSpec:
        """What the model is told."""

    def run(self, arguments: Mapping[str, Any], context: Context) -> Any:
        """Do it: text or any JSON value. What it raises becomes a failed result that the model reads."""


@runtime_checkable
class Tools(Protocol):
    """What the engine needs of a set of tools; a recording's tape is one too."""

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """The tools as the model is told of them, in order."""

    def seconds(self, call: ToolCall) -> float | None:
        """How long the call may take; None for one that answers at once."""

    def call(self, call: ToolCall, context: Context) -> ToolResult:
        """The call's result. Never raises."""

    def close(self) -> None:
        """Let go of what the tools hold."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A tool as a file declares it: its kind ("builtin", "python", "command", …), its options, and where it stands."""

    kind: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    where: str = ""
    base: Path = Path()
