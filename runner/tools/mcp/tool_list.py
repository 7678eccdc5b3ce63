"""The tool list of an MCP server, validated tool by tool: an unusable one is left out with the reason."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.core.json_schema import JsonSchema
from runner.core.messages import Effects, ToolSpec
from runner.core.sanitize import strip_invisible
from runner.core.schema_refs import inline_refs
from runner.core.truncate import truncate_list
from runner.tools.tool_names import qualified_name

LONGEST_DESCRIPTION = 8_000
_MAX_NAMES = 20


@dataclass(frozen=True, slots=True)
class ListedTool:
    """A usable tool, and its name at the server."""

    remote_name: str
    spec: ToolSpec


@dataclass(frozen=True, slots=True)
class ToolList:
    """The usable tools in the server's order, and why each of the others is not, both by the server's names."""

    tools: tuple[ListedTool, ...]
    refused: Mapping[str, str]

    def select(self, names: Collection[str] | None, extra_names: Collection[str] = ()) -> ToolList:
        """The list restricted to the names in the agent file; a name that is neither here nor extra is refused."""
        if names is None:
            return self
        tools = tuple(tool for tool in self.tools if tool.remote_name in names)
        known = {tool.remote_name for tool in self.tools} | self.refused.keys()
        missing = [name for name in names if name not in known and name not in extra_names]
        refused = {name: why for name, why in self.refused.items() if name in names}
        return ToolList(tools, refused | dict.fromkeys(missing, f"there is none; the server has {_name_list(known)}"))


def read_tool_list(server: str, entries: Sequence[Any], effects: Effects) -> ToolList:
    """The usable tools among the entries that the server sent, and why the others are not."""
    tools: dict[str, ListedTool] = {}
    refused: dict[str, str] = {}
    for entry in entries:
        remote_name = entry.get("name") if isinstance(entry, Mapping) else None
        if not isinstance(remote_name, str) or not remote_name:
            refused[""] = "it has no name"
            continue
        name = qualified_name(server, remote_name)
        try:
            if name in tools:
                raise ValueError(f"{tools[name].remote_name!r} came first and has the same name here")
            tools[name] = ListedTool(remote_name, _spec(name, entry, effects))
        except ValueError as error:
            refused[remote_name] = str(error).partition("\n")[0]
    return ToolList(tuple(tools.values()), refused)


def _spec(name: str, entry: Mapping[str, Any], effects: Effects) -> ToolSpec:
    """Raises ValueError."""
    schema = entry.get("inputSchema")
    if not isinstance(schema, Mapping):
        raise ValueError("its inputSchema is missing")
    if schema.get("type") != "object":
        raise ValueError(f"its inputSchema must have type 'object', not {schema.get('type')!r}")
    parameters = _with_visible_descriptions(inline_refs(schema, schema))
    parameters.setdefault("properties", {})
    JsonSchema(parameters).compile()
    if hidden := next((name for name in parameters["properties"] if strip_invisible(name) != name), None):
        raise ValueError(f"its argument {hidden!r} has invisible characters in its name")
    description = entry.get("description") or entry.get("title") or ""
    return ToolSpec(name, strip_invisible(str(description))[:LONGEST_DESCRIPTION], parameters, effects)


def _with_visible_descriptions(schema: Any) -> Any:
    """The schema, its descriptions without invisible characters."""
    if isinstance(schema, list):
        return [_with_visible_descriptions(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: strip_invisible(value)
        if key in ("description", "title") and isinstance(value, str)
        else _with_visible_descriptions(value)
        for key, value in schema.items()
    }


def _name_list(names: Iterable[str]) -> str:
    shown = truncate_list(sorted(map(strip_invisible, names)), _MAX_NAMES, "…")
    return ", ".join(shown) or "none"
