"""`files:`, the files below one folder as tools: read, list, search, and where the entry allows it write and edit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from runner.core.capability import Capability
from runner.tools.entry import ToolEntry, ToolSettings
from runner.tools.entry_schema import options_schema, shared, text
from runner.tools.protocols import Tool
from runner.tools.tool_kind import PathOption, ToolKind, always


def _open(entry: ToolEntry, settings: ToolSettings) -> Sequence[Tool]:
    from runner.tools.builtin.files import open_files  # lazy: `show` and `trust` may not open it

    return open_files(entry, settings)


def _paths(entry: ToolEntry) -> Mapping[str, PathOption]:
    """A folder that may be written can be made when it is needed."""
    return {"root": PathOption(entry.options["root"], "" if entry.options.get("write") else "folder")}


def _capabilities(entry: ToolEntry, folder: Path) -> Iterator[Capability]:
    """Reading what lies beside the agent is nothing to ask about; the user's own environment may lead elsewhere."""
    root, folder = (entry.folder / entry.options["root"]).resolve(), folder.resolve()
    outside = not root.is_relative_to(folder)
    if outside or entry.options.get("write"):
        shown = f"files under {root if outside else root.relative_to(folder)}"
        yield Capability("write" if entry.options.get("write") else "read", shown, entry.where)


KIND = ToolKind(
    name="files",
    summary="Files under one folder: list, read, search, and if allowed write and edit.",
    schema=options_schema(
        "Files under one folder.",
        {
            "root": text("The folder, relative to this file. Nothing outside it can be reached.", minLength=1),
            "write": {"type": "boolean", "description": "Also offer files_write and files_edit.", "default": False},
            "timeout": shared("timeout"),
        },
        ("root",),
    ),
    open=_open,
    naming="kind",
    offers=("read", "list", "search", "write", "edit"),
    env_fields=frozenset({"root"}),
    paths=_paths,
    capabilities=_capabilities,
    opens_safely=always,
)
