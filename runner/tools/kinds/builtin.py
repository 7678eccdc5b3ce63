"""A bare name under `tools:`, a built-in or a tool that an installed package offers, or a built-in with its options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.core.entry_points import TOOLS, find_entry_point
from runner.core.errors import UsageError
from runner.core.foreign_code import run_foreign
from runner.core.spelling import nearest
from runner.tools.catalogue import BUILT_INS, BUILTIN, KINDS, load
from runner.tools.entry import ToolEntry, ToolSettings
from runner.tools.entry_schema import Schema, options_schema, shared, text, texts
from runner.tools.open_tools import COMMON_OPTIONS, with_declared_effects, with_entry_options
from runner.tools.protocols import Tool, ToolSource
from runner.tools.tool_kind import EntryProblem, SourceText, ToolKind
from runner.tools.toolbox import as_tool

if TYPE_CHECKING:
    from runner.core.capability import Capability

_SUMMARY = "A built-in: resolve_date, current_datetime and others; or one that an installed package offers."

WITH_OPTIONS: Mapping[str, Schema] = {
    "resolve_date": options_schema(
        "Resolves a date expression, on the session's clock.",
        {
            "languages": texts(
                "Two-letter codes of the languages that expressions may be in.", minItems=1, default=["en"]
            ),
            "timeout": shared("timeout"),
        },
    ),
    "current_datetime": options_schema(
        "Tells the session's date and time.",
        {
            "timezone": text("An IANA time zone instead of the clock's own.", minLength=1),
            "timeout": shared("timeout"),
        },
    ),
}
"""The built-ins that take options, and the schema of these."""


def _is_ours(entry: ToolEntry) -> bool:
    """Nothing but a name that no built-in has is looked for in installed packages."""
    return entry.name in BUILT_INS


def _open(entry: ToolEntry, settings: ToolSettings) -> Sequence[Tool | ToolSource]:
    thing = load(BUILT_INS[entry.name]) if _is_ours(entry) else _installed(entry)
    things = thing if isinstance(thing, tuple) else (thing,)
    options = {key: value for key, value in entry.options.items() if key not in COMMON_OPTIONS}
    tools = [with_entry_options(as_tool(each, options, entry.where), entry) for each in things]
    return tools if _is_ours(entry) else [with_declared_effects(tool) for tool in tools]


def _installed(entry: ToolEntry) -> Any:
    """What an installed package offers under the name. Raises UsageError."""
    point = find_entry_point(TOOLS, entry.name)
    if point is None:
        raise UsageError(f"there is no tool {entry.name!r}", where=entry.where)
    thing, error = run_foreign(point.load)
    if error is not None:
        why = f"{type(error).__name__}: {error}"
        raise UsageError(f"the tool {entry.name!r} could not be imported", where=entry.where, why=why)
    return thing


def _check(entry: ToolEntry, text_of: SourceText) -> Iterator[EntryProblem]:
    if entry.name in KINDS:
        yield EntryProblem((), f"{entry.name} needs its options", f"write {entry.name}: {{…}}")
    elif not _is_ours(entry) and find_entry_point(TOOLS, entry.name) is None:
        hint = nearest(entry.name, {*BUILT_INS, *KINDS}) or f"built-ins: {', '.join(BUILT_INS)}"
        yield EntryProblem((), f"no tool is named {entry.name!r}", hint)


def _capabilities(entry: ToolEntry, folder: Path) -> Iterator[Capability]:
    if not _is_ours(entry):
        from runner.core.capability import Capability  # lazy: what is built in can do nothing to consent to

        yield Capability("import", f"the tool {entry.name} of an installed package", entry.where)


def _with_options(name: str, schema: Schema) -> Schema:
    return {
        "type": "object",
        "title": f"{name}:",
        "description": "The built-in with options.",
        "additionalProperties": False,
        "required": [name],
        "properties": {name: schema},
    }


KIND = ToolKind(
    name=BUILTIN,
    summary=_SUMMARY,
    schema={
        "anyOf": [
            text(_SUMMARY, title="a built-in's name"),
            *(_with_options(name, schema) for name, schema in WITH_OPTIONS.items()),
        ]
    },
    open=_open,
    check=_check,
    capabilities=_capabilities,
    opens_safely=_is_ours,
    imports=lambda entry: not _is_ours(entry),
    name_is_sure=_is_ours,
    built_in=_is_ours,
)
