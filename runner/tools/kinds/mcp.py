"""`mcp:`, the tools of a Model Context Protocol server, started as a program or reached by its url."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from runner.core.capability import Capability, destination
from runner.tools.entry import ToolEntry, ToolSettings
from runner.tools.entry_capabilities import program_capabilities, server_capabilities
from runner.tools.entry_schema import HTTP_URL, options_schema, shared, text, text_mapping, texts
from runner.tools.protocols import ToolSource
from runner.tools.tool_kind import EntryProblem, NamedFile, PathOption, SourceText, ToolKind
from runner.tools.tool_names import qualified_name


def _open(entry: ToolEntry, settings: ToolSettings) -> Sequence[ToolSource]:
    """The server, already starting in the background. Raises UsageError."""
    from runner.tools.mcp.source import McpSource  # lazy: a replay and a check start no server

    return (McpSource(entry, settings),)


def _paths(entry: ToolEntry) -> Mapping[str, PathOption]:
    return {"cwd": PathOption(entry.options["cwd"], "folder")} if "cwd" in entry.options else {}


def _check(entry: ToolEntry, text_of: SourceText) -> Iterator[EntryProblem]:
    if "command" in entry.options and "url" in entry.options:
        yield EntryProblem(("url",), "command: starts a server, url: reaches one", "keep one", at_key=True)


def _capabilities(entry: ToolEntry, folder: Path) -> Iterator[Capability]:
    note = f" (the MCP server {entry.name})"
    if command := entry.options.get("command"):
        yield from program_capabilities("start", command, note, entry)
    else:
        yield from server_capabilities(destination(entry.options["url"], entry.written), note, entry)


def _files(entry: ToolEntry) -> Iterable[NamedFile]:
    from runner.tools.named_files import files_of_program  # lazy: only where trust is asked about

    return files_of_program(entry.options.get("command", ()), entry)


def _selects(entry: ToolEntry, name: str) -> bool:
    chosen = entry.options.get("tools")
    return chosen is None or any(name == qualified_name(entry.name, each) for each in chosen)


def _accept_changes(entry: ToolEntry) -> None:
    """Drop the pins: the next listing of the server is pinned as it stands then."""
    from runner.tools.mcp.pinned_tools import unpin  # lazy: only a user's explicit word comes here
    from runner.tools.mcp.server_config import server_config  # lazy, likewise

    unpin(server_config(entry, ToolSettings()))


KIND = ToolKind(
    name="mcp",
    summary="The tools of a Model Context Protocol server.",
    schema=options_schema(
        "A Model Context Protocol server, started as a program or reached by its url.",
        {
            "name": shared("tool_name"),
            "command": texts("The server's program and arguments.", minItems=1),
            "url": text("The server's address (streamable HTTP).", pattern=HTTP_URL),
            "env": text_mapping("Environment variables beside the few that every program gets."),
            "headers": text_mapping("Headers of every request to the url."),
            "tools": texts("Only these of the server's tools."),
            "required": {
                "type": "boolean",
                "description": "Whether the agent is useless without it; otherwise a notice is enough.",
                "default": True,
            },
            "timeout": {
                "type": "number",
                "description": "Seconds to start, and for each call.",
                "exclusiveMinimum": 0,
                "default": 60,
            },
            "effects": shared("effects"),
            "cwd": text("The folder the program runs in, relative to this file."),
        },
        ("name",),
        anyOf=[{"title": "command: or url:", "required": ["command"]}, {"required": ["url"]}],
    ),
    open=_open,
    naming="group",
    env_fields=frozenset({"url", "env", "headers", "cwd"}),
    paths=_paths,
    check=_check,
    capabilities=_capabilities,
    files=_files,
    accept_changes=_accept_changes,
    served=True,
    shown_options=frozenset({"tools"}),
    selects=_selects,
    effects="write",
    extra="mcp",
    program=lambda entry: entry.options.get("command", ()),
)
