"""From the entries of an agent file to a toolbox: each opened by its kind, and given the options that it sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from runner.core.messages import Effects, ToolSpec
from runner.tools.catalogue import tool_kind_of
from runner.tools.context import Context
from runner.tools.entry import ToolEntry, ToolSettings
from runner.tools.protocols import Tool, ToolSource
from runner.tools.toolbox import Toolbox, close_all

COMMON_OPTIONS = frozenset({"name", "description", "effects", "timeout"})


def open_toolbox(entries: Iterable[ToolEntry], settings: ToolSettings | None = None) -> Toolbox:
    """The tools of an agent file's entries. Raises UsageError; close it after use.

    A Python file is imported and a server started here, so the agent must be trusted by now.
    """
    settings = settings or ToolSettings()
    opened: list[Tool | ToolSource] = []
    origins: list[ToolEntry] = []
    with ExitStack() as undo:
        undo.callback(close_all, opened)
        for entry in entries:
            opened.extend(tool_kind_of(entry).open(entry, settings))
            origins += [entry] * (len(opened) - len(origins))
        box = Toolbox(
            opened,
            seconds=settings.seconds,
            output_bytes=settings.output_bytes,
            notify=settings.notify,
            entries=origins,
        )
        undo.pop_all()
    return box


@dataclass(frozen=True, slots=True)
class _ToolWithOptions:
    """A tool as the agent file wants it."""

    tool: Tool
    spec: ToolSpec
    timeout: float | None

    def run(self, arguments: Mapping[str, Any], context: Context) -> Any:
        return self.tool.run(arguments, context)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tool, name)


def with_entry_options(tool: Tool | ToolSource, entry: ToolEntry) -> Tool | ToolSource:
    """The tool with the name, description, effects and timeout that its declaration sets."""
    options = entry.options
    if isinstance(tool, ToolSource) or not COMMON_OPTIONS & options.keys():
        return tool
    spec = replace(tool.spec, **{key: options[key] for key in ("name", "description", "effects") if key in options})
    return _ToolWithOptions(tool, spec, options.get("timeout", getattr(tool, "timeout", None)))


def with_declared_effects(tool: Tool | ToolSource) -> Tool | ToolSource:
    """The tool of a package; one whose effects nobody has declared may do anything."""
    return (
        tool if isinstance(tool, ToolSource) or getattr(tool, "declares_effects", True) else with_effects(tool, "exec")
    )


def with_effects(tool: Tool | ToolSource, effects: Effects) -> Tool | ToolSource:
    """The tool, or each of a source, with these effects."""
    if isinstance(tool, ToolSource):
        return _SourceWithEffects(tool, effects)
    return _ToolWithOptions(tool, replace(tool.spec, effects=effects), getattr(tool, "timeout", None))


@dataclass(frozen=True, slots=True)
class _SourceWithEffects:
    """A source of whose tools it is not known what they do."""

    source: ToolSource
    effects: Effects

    def tools(self) -> Sequence[Tool]:
        return [tool for each in self.source.tools() if isinstance(tool := with_effects(each, self.effects), Tool)]

    def close(self) -> None:
        self.source.close()
