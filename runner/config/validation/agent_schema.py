"""The parts of agent.schema.json that list tools and dialects, put together from what each of them brings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from runner.config.validation.schema import schema
from runner.gateways import DIALECTS
from runner.tools.catalogue import BUILTIN, KINDS, tool_kind


def agent_schema() -> dict[str, Any]:
    """The shipped schema, with the parts of today's kinds of tools and the names of today's dialects in it."""
    shipped = schema("agent")
    return {**shipped, "$defs": _with_dialects(_with_tools(shipped["$defs"]))}


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


def _with_dialects(definitions: Mapping[str, Any]) -> dict[str, Any]:
    """The definitions, in which a gateway's `dialect` suggests all that are spoken over HTTP; new ones come last."""
    over_http = [name for name, dialect in DIALECTS.items() if dialect.over_http]
    gateway = definitions["gateway"]
    properties = gateway["properties"]
    suggested = [name for name in properties["dialect"]["examples"] if name in over_http]
    dialect = {**properties["dialect"], "examples": list(dict.fromkeys([*suggested, *over_http]))}
    return {**definitions, "gateway": {**gateway, "properties": {**properties, "dialect": dialect}}}
