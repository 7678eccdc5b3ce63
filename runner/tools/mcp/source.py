"""An MCP server as a source of tools: they may change between turns, and are called from any thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from runner.core.cancel import Cancel
from runner.core.errors import NeedsTrust, ToolsUnavailable, UsageError
from runner.core.messages import ToolSpec
from runner.core.sanitize import strip_invisible
from runner.tools.context import Context, ToolFailed, ToolOutput
from runner.tools.entry import ToolEntry, ToolSettings
from runner.tools.mcp import pinned_tools
from runner.tools.mcp.connection import McpConnection, NotStarted
from runner.tools.mcp.requests import EXTRA_TOOLS, ServerRequest, list_tools, tool_call
from runner.tools.mcp.server_config import server_config
from runner.tools.mcp.server_lifecycle import ServerThread
from runner.tools.mcp.tool_list import ListedTool, read_tool_list
from runner.tools.protocols import Tool
from runner.tools.tool_names import qualified_name

_GRACE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class McpTool:
    """One tool of a server. It times out just before the session would, so that its message can say what is known."""

    spec: ToolSpec
    request: ServerRequest
    thread: ServerThread
    seconds: float
    forward_notices: Callable[[Callable[[str], None]], None]
    kind: str = "mcp"
    separator: str = "__"

    @property
    def timeout(self) -> float:
        return self.seconds + _GRACE_SECONDS

    def run(self, arguments: Mapping[str, Any], context: Context) -> ToolOutput:
        try:
            return self.thread.run(
                lambda connection: self.request(connection, arguments, self.seconds), self.seconds, context.cancel
            )
        except NotStarted as problem:
            raise ToolFailed(f"the MCP server could not be started again: {problem}") from problem
        finally:
            self.forward_notices(context.notify)


class McpSource:
    """The tools of one server, as they were pinned when it was first used."""

    def __init__(self, entry: ToolEntry, settings: ToolSettings) -> None:
        if find_spec("mcp") is None:
            raise UsageError(
                f"the MCP server {entry.name!r} needs the MCP SDK, which is not installed",
                where=entry.where,
                fix="pip install 'agent-run[mcp]'",
            )
        settings.check_files(entry)
        self._server = server_config(entry, settings)
        self._settings = settings
        self._thread = ServerThread(self._server)
        self._lock = threading.Lock()
        self._tools: tuple[Tool, ...] | None = None
        self._listed_connection: McpConnection | None = None
        self._notified: set[str] = set()

    def tools(self) -> tuple[Tool, ...]:
        """The tools of now; waits for the server to start.

        Raises ToolsUnavailable where a required server does not, NeedsTrust where a tool changed and nobody can be
        asked.
        """
        with self._lock:
            connection = self._thread.current
            stale = connection is not self._listed_connection or (connection is not None and connection.stale)
            if self._tools is None or stale:
                self._tools = self._list_tools()
            return self._tools

    def close(self) -> None:
        """End the server and all that descends from it."""
        self._thread.close()

    def _list_tools(self) -> tuple[Tool, ...]:
        try:
            entries = self._thread.run(list_tools, self._server.seconds, Cancel())
        except (NotStarted, ToolFailed) as problem:
            return self._unavailable(str(problem))
        self._listed_connection = self._thread.current
        self._forward_notices(self._notify)
        offered = read_tool_list(self._server.name, entries, self._server.effects)
        selected = offered.select(self._server.tools, extra_names={extra.name for extra in EXTRA_TOOLS})
        for name, why in selected.refused.items():
            self._notify(f"{self._server.name}: the tool {strip_invisible(name)[:80]!r} cannot be used: {why}")
        tools = [self._tool(tool.spec, tool_call(tool)) for tool in self._unchanged(selected.tools, offered.tools)]
        return (*tools, *self._extra_tools({tool.spec.name for tool in offered.tools}))

    def _unavailable(self, reason: str) -> tuple[Tool, ...]:
        """The tools listed before the server was lost. Raises ToolsUnavailable where a required one never started."""
        server = self._server
        if self._tools is None and server.required:
            what, _, why = reason.partition("\n")
            raise ToolsUnavailable(
                f"the MCP server {server.name!r} did not start: {what}",
                where=f"{server.where}: {server.address}".removeprefix(": "),
                why=why,
                fix=f"{'check the url and its key' if server.url else 'run it by hand'}, or set `required: false`",
            )
        self._notify(f"the MCP server {server.name} cannot be used: {reason}")
        self._listed_connection = self._thread.current
        if self._listed_connection is not None:
            self._listed_connection.stale = False
        return self._tools or ()

    def _unchanged(self, tools: tuple[ListedTool, ...], offered: tuple[ListedTool, ...]) -> tuple[ListedTool, ...]:
        """The tools that are as they were pinned; all that the server offers is pinned, selected or not."""
        try:
            changes = pinned_tools.changed_tools(self._server, [tool.spec for tool in offered])
        except OSError as error:
            self._notify(f"the tools of {self._server.name} cannot be remembered: {error}")
            return tools
        diffs = {change.tool: change.diff for change in changes}
        changed = "\n".join(f"{tool.spec.name}: {diffs[tool.spec.name]}" for tool in tools if tool.spec.name in diffs)
        if not changed:
            return tools
        if self._settings.strict:
            self._tools = None  # what was listed before is no longer what the server has
            raise NeedsTrust(
                f"tools of the MCP server {self._server.name!r} changed since they were first used",
                where=self._server.where,
                why=changed,
                fix="look at the change, then accept it with `agent-run trust`",
            )
        self._notify(f"not used, because they changed since they were first used (`agent-run trust`):\n{changed}")
        return tuple(tool for tool in tools if tool.spec.name not in diffs)

    def _extra_tools(self, taken: Collection[str]) -> Iterator[McpTool]:
        """The tools that we add for what the server offers besides tools; its own of the same name takes precedence."""
        offers = self._listed_connection.offers if self._listed_connection is not None else frozenset()
        for extra in EXTRA_TOOLS:
            name = qualified_name(self._server.name, extra.name)
            selected = self._server.tools is None or extra.name in self._server.tools
            if selected and name not in taken and extra.offer in offers:
                parameters = {"type": "object", "properties": extra.properties, "additionalProperties": False}
                description = extra.description.format(self._server.name)
                yield self._tool(ToolSpec(name, description, parameters, "read"), extra.request)

    def _notify(self, text: str) -> None:
        """Tell the user, once."""
        if text not in self._notified:
            self._notified.add(text)
            self._settings.notify(text)

    def _tool(self, spec: ToolSpec, request: ServerRequest) -> McpTool:
        return McpTool(spec, request, self._thread, self._server.call_seconds, self._forward_notices)

    def _forward_notices(self, notify: Callable[[str], None]) -> None:
        while self._thread.notices:
            notify(self._thread.notices.popleft())
