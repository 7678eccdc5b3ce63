"""The entries under `tools:` as values, checked without running or importing anything that they name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from runner.config.agent_source import AgentSource
from runner.config.diagnostics import Diagnostic
from runner.config.text_file import read_text
from runner.config.validation.checks import schema_diagnostics
from runner.config.yaml.document import NodePath
from runner.core.errors import ConfigError
from runner.tools.catalogue import BUILT_INS, BUILTIN, tool_kind, tool_kind_of
from runner.tools.entry import ToolEntry

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def tool_entries(source: AgentSource) -> tuple[list[ToolEntry], list[Diagnostic]]:
    """The entries that the schema allows, and what else is wrong with them."""
    entries: dict[int, ToolEntry] = {}
    diagnostics: list[Diagnostic] = []
    tools = source.value.get("tools")
    for index, written in enumerate(tools if isinstance(tools, list) else ()):
        if source.is_valid("tools", index):
            entries[index] = entry = _entry(source, index, written)
            diagnostics += _entry_diagnostics(source, entry, index)
    diagnostics += _duplicate_names(source, entries)
    if servers := list(_servers(entries)):
        from runner.config.validation.cleartext import cleartext_diagnostics  # lazy: most tools ask no server

        diagnostics += cleartext_diagnostics(source.layers, servers, source.sent, source.unfilled)
    return list(entries.values()), diagnostics


def _entry(source: AgentSource, index: int, written: str | Mapping[str, Any]) -> ToolEntry:
    where, folder = str(source.location("tools", index)), source.folder(("tools", index))
    if isinstance(written, str):
        return ToolEntry(BUILTIN, written, {}, where, folder)
    name, value = next(iter(written.items()))
    if name in BUILT_INS:
        return ToolEntry(BUILTIN, name, value, where, folder)
    kind = tool_kind(name)
    unfilled = source.layers.value["tools"][index][name]
    options, as_written = ({kind.shorthand: each} if isinstance(each, str) else each for each in (value, unfilled))
    return ToolEntry(name, kind.entry_name(options), options, where, folder, as_written)


def _entry_diagnostics(source: AgentSource, entry: ToolEntry, index: int) -> Iterator[Diagnostic]:
    kind, written = tool_kind_of(entry), source.value["tools"][index]
    root: NodePath = ("tools", index) if isinstance(written, str) else ("tools", index, next(iter(written)))
    if kind.naming == "own" and not _NAME.fullmatch(entry.name) and not isinstance(written, str):
        yield source.diagnostic(root, f"{entry.name!r} cannot be a tool's name", "give it one with name:")

    def at(path: NodePath) -> NodePath:
        """Where an option stands; all of a shorthand is its one option."""
        short = kind.shorthand and isinstance(written, dict) and isinstance(written[kind.name], str)
        return (*root, *(path[1:] if short else path))

    paths = kind.paths(entry)
    path_errors = {}
    for option, (path, must_be) in paths.items():
        if diagnostic := source.path_diagnostic(at((option,)), path, expected=must_be):
            path_errors[option] = diagnostic
    yield from path_errors.values()

    def text_of(option: str) -> tuple[Path, str] | None:
        if option in path_errors or option not in paths:
            return None
        path = source.file(at((option,)), paths[option].path)
        return path, read_text(path)

    try:
        for wrong in kind.check(entry, text_of):
            if wrong.file is None:
                yield source.diagnostic(
                    at(wrong.path), wrong.message, wrong.hint, at_key=wrong.at_key, severity=wrong.severity
                )
            else:
                yield Diagnostic(str(wrong.file), wrong.line, wrong.column, wrong.message)
    except ConfigError as error:
        yield from error.problems
    for name, schema in entry.options.get("parameters", {}).items():
        yield from schema_diagnostics(source, at(("parameters", name)), schema)


def _servers(entries: Mapping[int, ToolEntry]) -> Iterator[tuple[NodePath, str, Mapping[str, Any]]]:
    """The path, the url and the headers of each entry whose requests go to a server."""
    for index, entry in entries.items():
        if url := tool_kind_of(entry).url(entry):
            yield ("tools", index, entry.kind), url, entry.options.get("headers", {})


def _duplicate_names(source: AgentSource, entries: Mapping[int, ToolEntry]) -> Iterator[Diagnostic]:
    first: dict[str, int] = {}
    for index, entry in entries.items():
        if entry.name and entry.name in first:
            where = source.location("tools", first[entry.name])
            yield source.diagnostic(("tools", index), f"a second tool named {entry.name!r}", f"the first: {where}")
        first.setdefault(entry.name, index)
