"""Tools as an agent file declares them: found in the catalogue, opened, and adjusted to what the file says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from runner.core.errors import UsageError
from runner.core.messages import ToolSpec
from runner.tools.context import Context, Opening
from runner.tools.toolbox import Declared, Source, Tool, Toolbox, attempt, close_all, offer

_COMMON = frozenset({"name", "description", "effects", "timeout"})


def open_toolbox(declared: Iterable[Declared], opening: Opening | None = None) -> Toolbox:
    """The tools that an agent file declares, made by the catalogue's openers. Raises UsageError; close it after use.

    A catalogue row of KINDS is `open_<kind>(declared, opening) -> Sequence[Tool | Source]`; one of BUILT_INS is
    whatever Toolbox takes, or a tuple of it. A python file is imported here, so the agent must be trusted by now.
    """
    opening = opening or Opening()
    opened: list[Tool | Source] = []
    with ExitStack() as undo:
        undo.callback(close_all, opened)
        for each in declared:
            opened.extend(_open(each, opening))
        box = Toolbox(opened, seconds=opening.seconds, output_bytes=opening.output_bytes, notify=opening.notify)
        undo.pop_all()
    return box


def _open(declared: Declared, opening: Opening) -> Iterable[Tool | Source]:
    from runner.tools import BUILT_INS, KINDS, load  # lazy: the catalogue's module imports this one

    if opener := KINDS.get(declared.name if declared.kind == "builtin" else declared.kind):
        found: Iterable[Tool | Source] = load(opener)(declared, opening)
        return found
    thing = load(BUILT_INS[declared.name]) if declared.name in BUILT_INS else _third_party(declared)
    things = thing if isinstance(thing, tuple) else (thing,)
    options = {key: value for key, value in declared.options.items() if key not in _COMMON}
    return [adjusted(offer(each, options, declared.where), declared) for each in things]


def _third_party(declared: Declared) -> Any:
    from importlib.metadata import entry_points  # lazy: only for a name the catalogue lacks

    for point in entry_points(group="agent_run.tools", name=declared.name):
        thing, error = attempt(point.load)
        if error is None:
            return thing
        why = f"{type(error).__name__}: {error}"
        raise UsageError(f"the tool {declared.name!r} could not be imported", where=declared.where, why=why)
    raise UsageError(f"there is no tool {declared.name!r}", where=declared.where)


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


def adjusted(tool: Tool | Source, declared: Declared) -> Tool | Source:
    """The tool with the name, description, effects and timeout that its declaration sets."""
    options = declared.options
    if isinstance(tool, Source) or not _COMMON & options.keys():
        return tool
    spec = replace(tool.spec, **{key: options[key] for key in ("name", "description", "effects") if key in options})
    return _Adjusted(tool, spec, options.get("timeout", getattr(tool, "timeout", None)))
