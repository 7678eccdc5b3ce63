"""What can be done: one file a kind of tool, and the catalogue of the kinds and of the built-ins, as data."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from runner.tools.context import Context, ToolFailed, ToolOutput
from runner.tools.entry import ToolEntry, ToolSettings
from runner.tools.open_tools import open_toolbox
from runner.tools.protocols import Source, Tool, Tools
from runner.tools.toolbox import Toolbox

if TYPE_CHECKING:
    from runner.tools.builtin.dates import CurrentDateTime, DateResolver
    from runner.tools.function import tool

BUILT_INS: Mapping[str, str] = {
    "ask_user": "runner.tools.builtin.ask_user:ask_user",
    "resolve_date": "runner.tools.builtin.dates:DateResolver",
    "current_datetime": "runner.tools.builtin.dates:CurrentDateTime",
    "tasks": "runner.tools.builtin.tasks:TASKS",
    "tell_user": "runner.tools.builtin.ask_user:tell_user",
}

KINDS: Mapping[str, str] = {
    "agent": "runner.tools.kinds.agent:open_agent",
    "command": "runner.tools.kinds.command:open_command",
    "files": "runner.tools.builtin.files:open_files",
    "http": "runner.tools.kinds.http:open_http",
    "mcp": "runner.tools.mcp:open_mcp",
    "openapi": "runner.tools.kinds.openapi:open_openapi",
    "python": "runner.tools.kinds.python:open_python",
}

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
    "Source",
    "Tool",
    "ToolEntry",
    "ToolFailed",
    "ToolOutput",
    "ToolSettings",
    "Toolbox",
    "Tools",
    "load",
    "open_toolbox",
    "tool",
]


def load(reference: str) -> Any:
    """The object that a `module:name` row of a catalogue stands for."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return load(_LAZY[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
