"""An MCP server as an `mcp:` entry of the agent file declares it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from runner.core.child_environment import child_environment
from runner.core.cleartext import found_in_clear
from runner.core.errors import UsageError
from runner.core.messages import Effects
from runner.tools.entry import ToolEntry, ToolSettings

START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class McpServer:
    """How to reach a server: an argv or a url. `seconds` is how long it may take to start, `call_seconds` to answer.

    `check_files` raises NeedsTrust if what is started is not what was consented to. `tools` names those to keep, None
    keeps all. A server that is not `required` may fail to start.
    """

    name: str
    command: tuple[str, ...] = ()
    url: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    cwd: Path = Path()
    tools: tuple[str, ...] | None = None
    required: bool = True
    seconds: float = START_SECONDS
    call_seconds: float = START_SECONDS
    effects: Effects = "write"
    where: str = ""
    check_files: Callable[[], None] = field(default=lambda: None, compare=False, repr=False)

    @property
    def identity(self) -> str:
        """What tells it from other servers."""
        return "\0".join((self.name, self.url, *self.command))

    @property
    def address(self) -> str:
        """What is run or asked, for messages; what stands in a url's query may be a key."""
        return urlsplit(self.url)._replace(query="", fragment="").geturl() or shlex.join(self.command)


def server_config(entry: ToolEntry, settings: ToolSettings) -> McpServer:
    """The server of a declaration. Its environment is what every program needs and what the file gives, no more."""
    options = entry.options
    command = tuple(str(each) for each in options.get("command", ()))
    url = options.get("url", "")
    if bool(command) == bool(url):
        raise UsageError(f"the MCP server {entry.name!r} needs a command or a url", where=entry.where)
    headers = options.get("headers", {})
    part, what = found_in_clear(url, headers, os.environ) if url else ("", "")
    if part:
        refused = f"refused to send {what} to the MCP server {entry.name} in clear text"
        raise UsageError(refused, where=entry.where, fix="use an https:// url")
    tool_names = options.get("tools")
    return McpServer(
        entry.name,
        command,
        url,
        env=child_environment(settings.environ, {name: str(value) for name, value in options.get("env", {}).items()}),
        headers=headers,
        cwd=(entry.folder / options.get("cwd", "")).resolve(),
        tools=None if tool_names is None else tuple(tool_names),
        required=options.get("required", True),
        seconds=options.get("timeout", START_SECONDS),
        call_seconds=options.get("timeout", settings.seconds),
        effects=options.get("effects", "write"),
        where=entry.where,
        check_files=partial(settings.check_files, entry),
    )
