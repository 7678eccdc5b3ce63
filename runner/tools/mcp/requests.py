"""Requests to an MCP server: its tools, their calls, its resources and prompts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runner.core.sanitize import strip_invisible
from runner.tools.context import ToolOutput
from runner.tools.mcp import content
from runner.tools.mcp.connection import McpConnection
from runner.tools.mcp.tool_list import ListedTool

ServerRequest = Callable[[McpConnection, Mapping[str, Any], float], Awaitable[ToolOutput]]

_LIST_SECONDS = 60.0
_STRING = {"type": "string"}


@dataclass(frozen=True, slots=True)
class ExtraTool:
    """A tool that we add for what a server offers besides tools; `description` is formatted with the server's name."""

    name: str
    offer: str
    description: str
    properties: Mapping[str, Any]
    request: ServerRequest


async def list_tools(connection: McpConnection) -> list[Any]:
    """The server's tools, raw; asked for again once it says that they changed."""
    return await connection.list_tools(_LIST_SECONDS) if connection.stale else connection.listed


def tool_call(listed: ListedTool) -> ServerRequest:
    """How a tool of the server is called."""

    async def request(connection: McpConnection, arguments: Mapping[str, Any], seconds: float) -> ToolOutput:
        params = {"name": listed.remote_name, "arguments": dict(arguments)}
        return content.tool_output(await connection.request("tools/call", params, seconds))

    return request


async def _read_resource(connection: McpConnection, arguments: Mapping[str, Any], seconds: float) -> ToolOutput:
    if uri := arguments.get("uri"):
        return content.resource_output(await connection.request("resources/read", {"uri": uri}, seconds))
    entries = await connection.list_all("resources/list", "resources", seconds)
    entries += await connection.list_all("resources/templates/list", "resourceTemplates", seconds)
    return ToolOutput([_summary(entry, "uri", "uriTemplate", "name", "description") for entry in entries])


async def _get_prompt(connection: McpConnection, arguments: Mapping[str, Any], seconds: float) -> ToolOutput:
    if name := arguments.get("name"):
        params = {"name": name, "arguments": arguments.get("arguments", {})}
        return content.prompt_output(await connection.request("prompts/get", params, seconds))
    entries = await connection.list_all("prompts/list", "prompts", seconds)
    return ToolOutput([_summary(entry, "name", "description", "arguments") for entry in entries])


def _summary(entry: Any, *keys: str) -> dict[str, Any]:
    """The fields of a listed resource or prompt that help to choose one."""
    if not isinstance(entry, Mapping):
        return {}
    fields = {key: value for key in keys if (value := entry.get(key))}
    return {key: strip_invisible(value) if isinstance(value, str) else value for key, value in fields.items()}


EXTRA_TOOLS = (
    ExtraTool(
        "read_resource",
        "resources",
        "Read a resource of {}. Without a uri: the list of them.",
        {"uri": _STRING},
        _read_resource,
    ),
    ExtraTool(
        "get_prompt",
        "prompts",
        "Get a prompt of {}, filled with arguments. Without a name: the list of them.",
        {"name": _STRING, "arguments": {"type": "object", "additionalProperties": _STRING}},
        _get_prompt,
    ),
)
