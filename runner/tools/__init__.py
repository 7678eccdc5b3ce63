"""What can be done: the kinds of tools, the built-in tools, and the toolbox of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.tools.catalogue import BUILT_INS, KINDS, load
from runner.tools.context import Context, ToolFailed, ToolOutput
from runner.tools.entry import ToolEntry, ToolSettings
from runner.tools.open_tools import open_toolbox
from runner.tools.protocols import Tool, Tools, ToolSource
from runner.tools.toolbox import Toolbox

if TYPE_CHECKING:
    from runner.tools.builtin.dates import CurrentDateTime, DateResolver
    from runner.tools.function import tool

_LAZY = {
    "DateResolver": BUILT_INS["resolve_date"],
    "CurrentDateTime": BUILT_INS["current_datetime"],
    "tool": "runner.tools.function:tool",
}

__all__ = [
    "BUILT_INS",
    "KINDS",
    "Context",
    "CurrentDateTime",
    "DateResolver",
    "Tool",
    "ToolEntry",
    "ToolFailed",
    "ToolOutput",
    "ToolSettings",
    "ToolSource",
    "Toolbox",
    "Tools",
    "load",
    "open_toolbox",
    "tool",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return load(_LAZY[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
