"""From the entries of an agent file to a toolbox: each opened by its kind, and given the options that it sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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
_RULE_ATTRIBUTES = frozenset({"separator", "canonical", "pattern_spellings", "subjects"})


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
            kind = tool_kind_of(entry)
            tools = kind.open(entry, settings)
            opened.extend(map(_of_foreign_code, tools) if kind.imports(entry) else tools)
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


@dataclass(frozen=True, slots=True)
class _ForeignTool:
    """A tool of code that is not ours, to permission rules a `python` tool and nothing else, whatever it says it is."""

    tool: Tool
    kind: str = "python"

    @property
    def spec(self) -> ToolSpec:
        return self.tool.spec

    def run(self, arguments: Mapping[str, Any], context: Context) -> Any:
        return self.tool.run(arguments, context)

    def __getattr__(self, name: str) -> Any:
        if name in _RULE_ATTRIBUTES:
            raise AttributeError(name)
        return getattr(self.tool, name)


def _of_foreign_code(tool: Tool | ToolSource) -> Tool | ToolSource:
    return _ChangedSource(tool, _ForeignTool) if isinstance(tool, ToolSource) else _ForeignTool(tool)


def with_effects(tool: Tool | ToolSource, effects: Effects) -> Tool | ToolSource:
    """The tool, or each of a source, with these effects."""
    if isinstance(tool, ToolSource):
        return _ChangedSource(tool, lambda each: _with_effects(each, effects))
    return _with_effects(tool, effects)


def _with_effects(tool: Tool, effects: Effects) -> Tool:
    return _ToolWithOptions(tool, replace(tool.spec, effects=effects), getattr(tool, "timeout", None))


@dataclass(frozen=True, slots=True)
class _ChangedSource:
    """A source, each of whose tools is changed in one way."""

    source: ToolSource
    change: Callable[[Tool], Tool]

    def tools(self) -> Sequence[Tool]:
        return [self.change(each) for each in self.source.tools()]

    def close(self) -> None:
        self.source.close()
