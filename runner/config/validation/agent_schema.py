"""The part of agent.schema.json that describes tools, put together from what each kind of tool brings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from runner.config.validation.schema import schema
from runner.tools.catalogue import BUILTIN, KINDS, tool_kind


def agent_schema() -> dict[str, Any]:
    """The shipped schema, with the parts of today's kinds of tools in it."""
    shipped = schema("agent")
    return {**shipped, "$defs": _with_tools(shipped["$defs"])}


def agent_schema_text() -> str:
    """The schema as the file holds it."""
    return json.dumps(agent_schema(), indent=2, ensure_ascii=False) + "\n"


def _with_tools(definitions: Mapping[str, Any]) -> dict[str, Any]:
    """The definitions, those of tools behind `tool`, in the order of the catalogue."""
    kinds = [tool_kind(name) for name in KINDS]
    merged: dict[str, Any] = {}
    for name, definition in definitions.items():
        if name == "tool":
            title = f"a tool: a built-in's name, or one of {', '.join(f'{kind.name}:' for kind in kinds)}"
            branches = [*tool_kind(BUILTIN).schema["anyOf"], *(kind.branch() for kind in kinds)]
            merged |= {"tool": {"title": title, "anyOf": branches}}
            merged |= {f"{kind.name}_tool": kind.schema for kind in kinds}
        elif not name.endswith("_tool"):
            merged[name] = definition
    return merged
