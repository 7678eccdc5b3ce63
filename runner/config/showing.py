"""What an agent would send, told without sending, running or importing anything that its file names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from runner.config.agent import Agent
from runner.config.templates import render
from runner.config.variables import bind
from runner.core.errors import AgentRunError, GatewayError
from runner.gateways import Gateway, connect
from runner.tools import BUILT_INS, open_toolbox
from runner.tools.context import system_clock
from runner.tools.toolbox import Declared

_INERT_KINDS = frozenset({"files", "command", "http"})
_OFFLINE_DIALECTS = frozenset({"anthropic", "gemini", "local"})


def describe(agent: Agent, given: Mapping[str, Any]) -> dict[str, Any]:
    """The rendered system prompt, tool schemas, options, gateways and window. Raises ConfigError and UsageError."""
    values = bind(agent.variables, given, where=agent.place("variables"))
    asked = _connected(agent, agent.gateway)
    return {
        "name": agent.name,
        "description": agent.description,
        "file": str(agent.path),
        "asks": _choice(agent.gateway, agent.model, asked),
        "fallback": [_choice(each.gateway, each.model, _connected(agent, each.gateway)) for each in agent.fallback],
        "window": agent.context.max_tokens or _window(agent, asked),
        "options": dict(agent.options),
        "variables": values,
        "system": agent.secrets.hide(render(agent.system_prompt, values, now=system_clock)),
        "tools": [shown for declared in agent.tools for shown in _tool(declared)],
        "tool_choice": agent.tool_choice,
        "reply": dict(agent.reply.schema) if agent.reply else None,
    }


def _connected(agent: Agent, name: str) -> Gateway | None:
    try:
        return connect(name, agent.gateways, hosts=agent.user.hosts)
    except AgentRunError:  # it will be told when it is asked; here it must not hide the rest
        return None


def _choice(name: str, model: str, gateway: Gateway | None) -> dict[str, str]:
    where = gateway.where if gateway else ""
    return {"gateway": name, "model": model, "url": where if "://" in where else ""}


def _window(agent: Agent, gateway: Gateway | None) -> int | None:
    """The model's window, where finding out needs no network."""
    own = agent.gateways.get(agent.gateway)
    if gateway is None or (own.dialect if own else agent.gateway) not in _OFFLINE_DIALECTS:
        return None
    try:
        return gateway.capabilities(agent.model).window
    except GatewayError:
        return None


def _tool(declared: Declared) -> Iterable[dict[str, Any]]:
    if declared.kind in _INERT_KINDS or (declared.kind == "builtin" and declared.name in BUILT_INS):
        toolbox = open_toolbox([declared])
        try:
            return [
                {
                    "name": spec.name,
                    "kind": declared.kind,
                    "description": spec.description,
                    "effects": spec.effects,
                    "parameters": dict(spec.parameters),
                }
                for spec in toolbox.specs
            ]
        finally:
            toolbox.close()
    described = str(declared.options.get("description", ""))
    shown = {"name": declared.name, "kind": declared.kind, "description": described}
    return [{**shown, "effects": declared.options.get("effects"), "parameters": None}]
