"""A server as a toolbox sees it: tools that may change between turns, called from any thread."""

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
from runner.tools.mcp import pinned_tools as pins
from runner.tools.mcp.connection import Connection, NotStarted
from runner.tools.mcp.requests import EXTRAS, Ask, call_of, tools_of
from runner.tools.mcp.server_config import server_of
from runner.tools.mcp.server_thread import Portal
from runner.tools.mcp.tool_list import Listed, judge
from runner.tools.protocols import Tool
from runner.tools.tool_names import qualified

_GRACE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class McpTool:
    """One tool of a server. Its own clock runs out just before the session's, so that it can say what is known."""

    spec: ToolSpec
    ask: Ask
    portal: Portal
    seconds: float
    told: Callable[[Callable[[str], None]], None]
    kind: str = "mcp"

    @property
    def timeout(self) -> float:
        return self.seconds + _GRACE_SECONDS

    def run(self, arguments: Mapping[str, Any], context: Context) -> ToolOutput:
        try:
            return self.portal.run(lambda life: self.ask(life, arguments, self.seconds), self.seconds, context.cancel)
        except NotStarted as problem:
            raise ToolFailed(f"the MCP server could not be started again: {problem}") from problem
        finally:
            self.told(context.notify)


class McpSource:
    """The tools of one server, as they were pinned when it was first used."""

    def __init__(self, entry: ToolEntry, settings: ToolSettings) -> None:
        if find_spec("mcp") is None:
            raise UsageError(
                f"the MCP server {entry.name!r} needs the MCP SDK, which is not installed",
                where=entry.where,
                fix="pip install 'agent-run[mcp]'",
            )
        self._server = server_of(entry, settings)
        self._settings = settings
        self._portal = Portal(self._server)
        self._lock = threading.Lock()
        self._tools: tuple[Tool, ...] | None = None
        self._seen: Connection | None = None
        self._said: set[str] = set()

    def tools(self) -> tuple[Tool, ...]:
        """The tools of now; waits for the server to start.

        Raises ToolsUnavailable where a required server does not, NeedsTrust where a tool changed and nobody can be
        asked.
        """
        with self._lock:
            life = self._portal.current
            if self._tools is None or life is not self._seen or (life is not None and life.stale):
                self._tools = self._listed_now()
            return self._tools

    def close(self) -> None:
        """End the server and all that descends from it."""
        self._portal.close()

    def _listed_now(self) -> tuple[Tool, ...]:
        try:
            raw = self._portal.run(tools_of, self._server.seconds, Cancel())
        except (NotStarted, ToolFailed) as problem:
            return self._without(str(problem))
        self._seen = self._portal.current
        self._tell_all(self._notify)
        everything = judge(self._server.name, raw, self._server.effects)
        listing = everything.kept(self._server.tools, besides={extra.name for extra in EXTRAS})
        for name, why in listing.refused.items():
            self._notify(f"{self._server.name}: the tool {strip_invisible(name)[:80]!r} cannot be used: {why}")
        tools = [self._tool(each.spec, call_of(each)) for each in self._unchanged(listing.tools, everything.tools)]
        return (*tools, *self._extras({each.spec.name for each in everything.tools}))

    def _without(self, problem: str) -> tuple[Tool, ...]:
        """What to do without a server that cannot be had; tools once listed stay."""
        server = self._server
        if self._tools is None and server.required:
            what, _, why = problem.partition("\n")
            raise ToolsUnavailable(
                f"the MCP server {server.name!r} did not start: {what}",
                where=f"{server.where}: {server.address}".removeprefix(": "),
                why=why,
                fix=f"{'check the url and its key' if server.url else 'run it by hand'}, or set `required: false`",
            )
        self._notify(f"the MCP server {server.name} cannot be used: {problem}")
        self._seen = self._portal.current
        if self._seen is not None:
            self._seen.stale = False
        return self._tools or ()

    def _unchanged(self, tools: tuple[Listed, ...], everything: tuple[Listed, ...]) -> tuple[Listed, ...]:
        """The tools that are as they were pinned; all that the server has is pinned, wanted or not."""
        try:
            diffs = {each.tool: each.diff for each in pins.changes(self._server, [each.spec for each in everything])}
        except OSError as error:
            self._notify(f"the tools of {self._server.name} cannot be remembered: {error}")
            return tools
        told = "\n".join(f"{each.spec.name}: {diffs[each.spec.name]}" for each in tools if each.spec.name in diffs)
        if not told:
            return tools
        if self._settings.strict:
            self._tools = None  # what was listed before is no longer what the server has
            raise NeedsTrust(
                f"tools of the MCP server {self._server.name!r} changed since they were first used",
                where=self._server.where,
                why=told,
                fix="look at the change, then accept it with `agent-run trust`",
            )
        self._notify(f"not used, because they changed since they were first used (`agent-run trust`):\n{told}")
        return tuple(each for each in tools if each.spec.name not in diffs)

    def _extras(self, taken: Collection[str]) -> Iterator[McpTool]:
        """Tools of ours for what the server offers besides tools; one of its own goes before."""
        for extra in EXTRAS:
            name = qualified(self._server.name, extra.name)
            wanted = self._server.tools is None or extra.name in self._server.tools
            if wanted and name not in taken and self._seen is not None and extra.offer in self._seen.offers:
                parameters = {"type": "object", "properties": extra.properties, "additionalProperties": False}
                description = extra.description.format(self._server.name)
                yield self._tool(ToolSpec(name, description, parameters, "read"), extra.ask)

    def _notify(self, text: str) -> None:
        """Tell the user, once."""
        if text not in self._said:
            self._said.add(text)
            self._settings.notify(text)

    def _tool(self, spec: ToolSpec, ask: Ask) -> McpTool:
        return McpTool(spec, ask, self._portal, self._server.call_seconds, self._tell_all)

    def _tell_all(self, notify: Callable[[str], None]) -> None:
        while self._portal.told:
            notify(self._portal.told.popleft())
