"""What is asked of a server, in its protocol's words: the list of its tools, their calls, its resources and prompts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runner.core.sanitize import strip_invisible
from runner.tools.context import ToolOutput
from runner.tools.mcp import content
from runner.tools.mcp.connection import Connection
from runner.tools.mcp.tool_list import Listed

Ask = Callable[[Connection, Mapping[str, Any], float], Awaitable[ToolOutput]]

_LIST_SECONDS = 60.0
_STRING = {"type": "string"}


@dataclass(frozen=True, slots=True)
class Extra:
    """A tool of ours for what a server offers besides tools; `description` has a place for the server's name."""

    name: str
    offer: str
    description: str
    properties: Mapping[str, Any]
    ask: Ask


async def tools_of(life: Connection) -> list[Any]:
    """The server's tools, raw; asked for again once it says that they changed."""
    return await life.list_tools(_LIST_SECONDS) if life.stale else life.listed


def call_of(listed: Listed) -> Ask:
    """How a tool of the server is called."""

    async def ask(life: Connection, arguments: Mapping[str, Any], seconds: float) -> ToolOutput:
        given = {"name": listed.remote, "arguments": dict(arguments)}
        return content.called(await life.request("tools/call", given, seconds))

    return ask


async def _read(life: Connection, arguments: Mapping[str, Any], seconds: float) -> ToolOutput:
    if uri := arguments.get("uri"):
        return content.resource(await life.request("resources/read", {"uri": uri}, seconds))
    found = await life.list_all("resources/list", "resources", seconds)
    found += await life.list_all("resources/templates/list", "resourceTemplates", seconds)
    return ToolOutput([_told(each, "uri", "uriTemplate", "name", "description") for each in found])


async def _prompt(life: Connection, arguments: Mapping[str, Any], seconds: float) -> ToolOutput:
    if name := arguments.get("name"):
        given = {"name": name, "arguments": arguments.get("arguments", {})}
        return content.prompt(await life.request("prompts/get", given, seconds))
    found = await life.list_all("prompts/list", "prompts", seconds)
    return ToolOutput([_told(each, "name", "description", "arguments") for each in found])


def _told(entry: Any, *keys: str) -> dict[str, Any]:
    """Of an entry of a list, what helps to choose it."""
    if not isinstance(entry, Mapping):
        return {}
    return {key: strip_invisible(each) if isinstance(each, str) else each for key in keys if (each := entry.get(key))}


EXTRAS = (
    Extra(
        "read_resource",
        "resources",
        "Read a resource of {}. Without a uri: the list of them.",
        {"uri": _STRING},
        _read,
    ),
    Extra(
        "get_prompt",
        "prompts",
        "Get a prompt of {}, filled with arguments. Without a name: the list of them.",
        {"name": _STRING, "arguments": {"type": "object", "additionalProperties": _STRING}},
        _prompt,
    ),
)
