"""What can be done: one file a kind of tool, and the catalogue of the kinds and of the built-ins, as data."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from runner.tools.context import Context, Opening, Outcome, ToolFailed
from runner.tools.declared import open_toolbox
from runner.tools.toolbox import Declared, Source, Tool, Toolbox, Tools

if TYPE_CHECKING:
    from runner.tools.dates import CurrentDateTime, DateResolver
    from runner.tools.function import tool

BUILT_INS: Mapping[str, str] = {
    "ask_user": "runner.tools.people:ask_user",
    "resolve_date": "runner.tools.dates:DateResolver",
    "current_datetime": "runner.tools.dates:CurrentDateTime",
    "tasks": "runner.tools.tasks:TASKS",
    "tell_user": "runner.tools.people:tell_user",
}

KINDS: Mapping[str, str] = {
    "agent": "runner.tools.agent:open_agent",
    "command": "runner.tools.command:open_command",
    "files": "runner.tools.files:open_files",
    "http": "runner.tools.http:open_http",
    "mcp": "runner.tools.mcp:open_mcp",
    "openapi": "runner.tools.openapi:open_openapi",
    "python": "runner.tools.python:open_python",
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
    "Declared",
    "Opening",
    "Outcome",
    "Source",
    "Tool",
    "ToolFailed",
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
