"""A server as a toolbox sees it: tools that may change between turns, called from any thread."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from runner.core.cancel import Cancel
from runner.core.errors import NeedsTrust, ToolsUnavailable, UsageError
from runner.core.messages import ToolSpec
from runner.tools.context import Context, Opening, Outcome, ToolFailed
from runner.tools.mcp import content, pins
from runner.tools.mcp.connection import Connection, NotStarted
from runner.tools.mcp.listing import Listed, judge
from runner.tools.mcp.portal import Portal
from runner.tools.mcp.server import server_of
from runner.tools.naming import qualified, visible
from runner.tools.toolbox import Declared, Tool

_GRACE_SECONDS = 2.0
_READ = "read_resource"
_PROMPT = "get_prompt"
_EXTRAS = (_READ, _PROMPT)
_STRING = {"type": "string"}

Ask = Callable[[Connection, Mapping[str, Any], float], Awaitable[Outcome]]


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

    def run(self, arguments: Mapping[str, Any], context: Context) -> Outcome:
        try:
            return self.portal.run(lambda life: self.ask(life, arguments, self.seconds), self.seconds, context.cancel)
        except NotStarted as problem:
            raise ToolFailed(f"the MCP server could not be started again: {problem}") from problem
        finally:
            self.told(context.notify)


class McpSource:
    """The tools of one server, as they were pinned when it was first used."""

    def __init__(self, declared: Declared, opening: Opening) -> None:
        if find_spec("mcp") is None:
            raise UsageError(
                f"the MCP server {declared.name!r} needs the MCP SDK, which is not installed",
                where=declared.where,
                fix="pip install 'agent-run[mcp]'",
            )
        self._server = server_of(declared, opening)
        self._opening = opening
        self._portal = Portal(self._server)
        self._lock = threading.Lock()
        self._tools: tuple[Tool, ...] | None = None
        self._seen: Connection | None = None

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
            raw = self._portal.run(_tools_of, self._server.seconds, Cancel())
        except (NotStarted, ToolFailed) as problem:
            return self._without(str(problem))
        self._seen = life = self._portal.current
        self._tell_all(self._opening.notify)
        everything = judge(self._server.name, raw, self._server.effects)
        ours = None if self._server.tools is None else [each for each in self._server.tools if each not in _EXTRAS]
        listing = everything.kept(ours)
        for name, why in listing.refused.items():
            self._opening.notify(f"{self._server.name}: the tool {visible(name)[:80]!r} cannot be used: {why}")
        tools = [self._tool(each.spec, _caller(each)) for each in self._unchanged(listing.tools, everything.tools)]
        if life is not None and life.reads and self._wants(_READ):
            tools.append(self._extra(_READ, "Read a resource of {}. Without a uri: the list of them.", "uri", _read))
        if life is not None and life.prompts and self._wants(_PROMPT):
            told = "Get a prompt of {}, filled with arguments. Without a name: the list of them."
            tools.append(self._extra(_PROMPT, told, "name", _prompt))
        return tuple(tools)

    def _without(self, problem: str) -> tuple[Tool, ...]:
        """What to do without a server that cannot be had; tools once listed stay."""
        server = self._server
        if self._tools is None and server.required:
            what, _, why = problem.partition("\n")
            raise ToolsUnavailable(
                f"the MCP server {server.name!r} did not start: {what}",
                where=f"{server.where}: {server.address}".removeprefix(": "),
                why=why,
                fix="run it by hand to see what it lacks, or set `required: false`",
            )
        self._opening.notify(f"the MCP server {server.name} cannot be used: {problem}")
        self._seen = self._portal.current
        if self._seen is not None:
            self._seen.stale = False
        return self._tools or ()

    def _unchanged(self, tools: tuple[Listed, ...], everything: tuple[Listed, ...]) -> tuple[Listed, ...]:
        """The tools that are as they were pinned; all that the server has is pinned, wanted or not."""
        try:
            diffs = {each.tool: each.diff for each in pins.changes(self._server, [each.spec for each in everything])}
        except OSError as error:
            self._opening.notify(f"the tools of {self._server.name} cannot be remembered: {error}")
            return tools
        told = "\n".join(f"{each.spec.name}: {diffs[each.spec.name]}" for each in tools if each.spec.name in diffs)
        if not told:
            return tools
        if self._opening.strict:
            raise NeedsTrust(
                f"tools of the MCP server {self._server.name!r} changed since they were first used",
                where=self._server.where,
                why=told,
                fix="look at the change, then accept it with `agent-run trust`",
            )
        self._opening.notify(f"not used, because they changed since they were first used (`agent-run trust`):\n{told}")
        return tuple(each for each in tools if each.spec.name not in diffs)

    def _wants(self, tool: str) -> bool:
        return self._server.tools is None or tool in self._server.tools

    def _extra(self, tool: str, description: str, key: str, ask: Ask) -> McpTool:
        """A tool of ours for what a server offers besides tools."""
        properties: dict[str, Any] = {key: _STRING}
        if tool == _PROMPT:
            properties["arguments"] = {"type": "object", "additionalProperties": _STRING}
        parameters = {"type": "object", "properties": properties, "additionalProperties": False}
        name = qualified(self._server.name, tool)
        return self._tool(ToolSpec(name, description.format(self._server.name), parameters, "read"), ask)

    def _tool(self, spec: ToolSpec, ask: Ask) -> McpTool:
        return McpTool(spec, ask, self._portal, self._server.call_seconds, self._tell_all)

    def _tell_all(self, notify: Callable[[str], None]) -> None:
        while self._portal.told:
            notify(self._portal.told.popleft())


async def _tools_of(life: Connection) -> list[Any]:
    return await life.list_tools(60) if life.stale else life.listed


def _caller(listed: Listed) -> Ask:
    async def ask(life: Connection, arguments: Mapping[str, Any], seconds: float) -> Outcome:
        given = {"name": listed.remote, "arguments": dict(arguments)}
        return content.called(await life.request("tools/call", given, seconds))

    return ask


async def _read(life: Connection, arguments: Mapping[str, Any], seconds: float) -> Outcome:
    if uri := arguments.get("uri"):
        return content.resource(await life.request("resources/read", {"uri": uri}, seconds))
    found = await life.list_all("resources/list", "resources", seconds)
    found += await life.list_all("resources/templates/list", "resourceTemplates", seconds)
    return Outcome([_named(each, "uri", "uriTemplate", "name", "description") for each in found])


async def _prompt(life: Connection, arguments: Mapping[str, Any], seconds: float) -> Outcome:
    if name := arguments.get("name"):
        given = {"name": name, "arguments": arguments.get("arguments", {})}
        return content.prompt(await life.request("prompts/get", given, seconds))
    found = await life.list_all("prompts/list", "prompts", seconds)
    return Outcome([_named(each, "name", "description", "arguments") for each in found])


def _named(entry: Any, *keys: str) -> dict[str, Any]:
    if not isinstance(entry, Mapping):
        return {}
    return {key: visible(each) if isinstance(each, str) else each for key in keys if (each := entry.get(key))}
