"""Tools as an agent file declares them: found in the catalogue, opened, and adjusted to what the file says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from runner.core.errors import UsageError
from runner.core.messages import ToolSpec
from runner.tools.context import Context
from runner.tools.entry import ToolEntry, ToolSettings
from runner.tools.foreign_code import run_foreign
from runner.tools.protocols import Source, Tool
from runner.tools.toolbox import Toolbox, as_tool, close_all

_COMMON = frozenset({"name", "description", "effects", "timeout"})


def open_toolbox(entries: Iterable[ToolEntry], settings: ToolSettings | None = None) -> Toolbox:
    """The tools that an agent file declares, made by the catalogue's openers. Raises UsageError; close it after use.

    A catalogue row of KINDS is `open_<kind>(entry, settings) -> Sequence[Tool | Source]`; one of BUILT_INS is
    whatever Toolbox takes, or a tuple of it. A python file is imported here, so the agent must be trusted by now.
    """
    settings = settings or ToolSettings()
    opened: list[Tool | Source] = []
    with ExitStack() as undo:
        undo.callback(close_all, opened)
        for entry in entries:
            opened.extend(_open(entry, settings))
        box = Toolbox(opened, seconds=settings.seconds, output_bytes=settings.output_bytes, notify=settings.notify)
        undo.pop_all()
    return box


def _open(entry: ToolEntry, settings: ToolSettings) -> Iterable[Tool | Source]:
    from runner.tools import BUILT_INS, KINDS, load  # lazy: the catalogue's module imports this one

    if opener := KINDS.get(entry.name if entry.kind == "builtin" else entry.kind):
        found: Iterable[Tool | Source] = load(opener)(entry, settings)
        return found
    thing = load(BUILT_INS[entry.name]) if entry.name in BUILT_INS else _third_party(entry)
    things = thing if isinstance(thing, tuple) else (thing,)
    options = {key: value for key, value in entry.options.items() if key not in _COMMON}
    return [adjusted(as_tool(each, options, entry.where), entry) for each in things]


def _third_party(entry: ToolEntry) -> Any:
    from importlib.metadata import entry_points  # lazy: only for a name the catalogue lacks

    for point in entry_points(group="agent_run.tools", name=entry.name):
        thing, error = run_foreign(point.load)
        if error is None:
            return thing
        why = f"{type(error).__name__}: {error}"
        raise UsageError(f"the tool {entry.name!r} could not be imported", where=entry.where, why=why)
    raise UsageError(f"there is no tool {entry.name!r}", where=entry.where)


@dataclass(frozen=True, slots=True)
class _Adjusted:
    """A tool as the agent file wants it."""

    tool: Tool
    spec: ToolSpec
    timeout: float | None

    def run(self, arguments: Mapping[str, Any], context: Context) -> Any:
        return self.tool.run(arguments, context)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tool, name)


def adjusted(tool: Tool | Source, entry: ToolEntry) -> Tool | Source:
    """The tool with the name, description, effects and timeout that its declaration sets."""
    options = entry.options
    if isinstance(tool, Source) or not _COMMON & options.keys():
        return tool
    spec = replace(tool.spec, **{key: options[key] for key in ("name", "description", "effects") if key in options})
    return _Adjusted(tool, spec, options.get("timeout", getattr(tool, "timeout", None)))
