"""The kinds of tools and the built-in tools: a row each, `module:name`, imported when it is needed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from runner.core.errors import UsageError

if TYPE_CHECKING:
    from runner.tools.entry import ToolEntry
    from runner.tools.tool_kind import ToolKind

KINDS: Mapping[str, str] = {
    "files": "runner.tools.kinds.files:KIND",
    "python": "runner.tools.kinds.python:KIND",
    "command": "runner.tools.kinds.command:KIND",
    "http": "runner.tools.kinds.http:KIND",
    "openapi": "runner.tools.kinds.openapi:KIND",
    "mcp": "runner.tools.kinds.mcp:KIND",
    "agent": "runner.tools.kinds.agent:KIND",
}
"""The kinds that an entry under `tools:` names, in the order in which the schema lists them."""

BUILTIN = "builtin"
"""The kind of an entry that is the name of a built-in, or of a tool that an installed package offers."""

BUILT_INS: Mapping[str, str] = {
    "ask_user": "runner.tools.builtin.ask_user:ask_user",
    "resolve_date": "runner.tools.builtin.dates:DateResolver",
    "current_datetime": "runner.tools.builtin.dates:CurrentDateTime",
    "tasks": "runner.tools.builtin.tasks:TASKS",
    "tell_user": "runner.tools.builtin.ask_user:tell_user",
}
"""A built-in is whatever a Toolbox takes, or a tuple of it."""

_BUILTIN_KIND = "runner.tools.kinds.builtin:KIND"


def tool_kind(name: str) -> ToolKind:
    """The record of a kind. Raises UsageError for a kind that does not exist."""
    reference = _BUILTIN_KIND if name == BUILTIN else KINDS.get(name)
    if reference is None:
        raise UsageError(f"there is no kind of tool {name!r}", fix=f"one of {', '.join(KINDS)}")
    kind: ToolKind = load(reference)
    return kind


def tool_kind_of(entry: ToolEntry) -> ToolKind:
    """The record of the entry's kind. Raises UsageError for a kind that does not exist."""
    return tool_kind(entry.kind)


def load(reference: str) -> Any:
    """The object that a `module:name` row names."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)
