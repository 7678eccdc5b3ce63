"""What `show` does: the request that an agent would send, without sending, running or importing anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from runner.config.agent import Agent
from runner.config.template.render import render
from runner.config.template.variables import bind_variables
from runner.core.errors import AgentRunError, GatewayError, UsageError
from runner.core.messages import ToolSpec
from runner.core.spelling import nearest
from runner.gateways import Gateway, connect, dialect_of, is_of_a_package
from runner.tools import open_toolbox
from runner.tools.catalogue import tool_kind_of
from runner.tools.context import Context, ToolFailed, system_clock
from runner.tools.entry import ToolEntry


def describe(agent: Agent, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The rendered system prompt, tool schemas, options, gateways and window. Raises ConfigError and UsageError."""
    values = bind_variables(agent.variables, variables, where=agent.location("variables"))
    gateway = _connected(agent, agent.gateway)
    return {
        "name": agent.name,
        "description": agent.description,
        "file": str(agent.path),
        "asks": _route(agent.gateway, agent.model, gateway),
        "fallback": [_route(other.gateway, other.model, _connected(agent, other.gateway)) for other in agent.fallback],
        "window": agent.context.max_tokens or _window(agent, gateway),
        "options": dict(agent.options),
        "variables": values,
        "system": agent.secrets.redact(render(agent.system_prompt, values, now=system_clock)),
        "tools": [fields for entry in agent.tools for fields in _tools(entry)],
        "tool_choice": agent.tool_choice,
        "reply": dict(agent.reply.schema) if agent.reply else None,
    }


def _connected(agent: Agent, name: str) -> Gateway | None:
    """The gateway, not asked anything; None for one that could only be had by importing a package."""
    if is_of_a_package(name, agent.gateways):
        return None
    try:
        return connect(name, agent.gateways, hosts=agent.user.hosts)
    except AgentRunError:  # it is raised when the gateway is asked; here it must not hide the rest
        return None


def _route(name: str, model: str, gateway: Gateway | None) -> dict[str, str]:
    where = gateway.where if gateway else ""
    return {"gateway": name, "model": model, "url": where if "://" in where else ""}


def _window(agent: Agent, gateway: Gateway | None) -> int | None:
    """The model's window, where finding out needs no network."""
    if gateway is None or not dialect_of(agent.gateway, agent.gateways).capabilities_offline:
        return None
    try:
        return gateway.capabilities(agent.model).window
    except GatewayError:
        return None


def _tools(entry: ToolEntry) -> Iterable[dict[str, Any]]:
    if _opens_without_running(entry):
        with closing(open_toolbox([entry])) as toolbox:
            return [{**_tool_fields(entry, spec), "parameters": dict(spec.parameters)} for spec in toolbox.specs]
    return [{**_tool_fields(entry, _UnopenedTool(entry, entry.name).spec), "parameters": None}]


def _tool_fields(entry: ToolEntry, spec: ToolSpec) -> dict[str, Any]:
    return {"name": spec.name, "kind": entry.kind, "description": spec.description, "effects": spec.effects}


def _opens_without_running(entry: ToolEntry) -> bool:
    """Whether opening the tool runs and imports nothing of the file's."""
    return tool_kind_of(entry).opens_safely(entry)


@dataclass(frozen=True, slots=True)
class _UnopenedTool:
    """What is known of a tool that cannot be opened without running something: of its effects, the worst."""

    entry: ToolEntry
    name: str

    @property
    def spec(self) -> ToolSpec:
        options = self.entry.options
        effects = options.get("effects", tool_kind_of(self.entry).effects)
        return ToolSpec(self.name, str(options.get("description", "")), {}, effects)

    @property
    def kind(self) -> str:
        return self.entry.kind

    def run(self, arguments: Mapping[str, Any], context: Context) -> Any:
        raise ToolFailed(f"{self.name} was not opened")


def explain(agent: Agent, text: str) -> str:
    """Which permission rules match the call that `text` spells out, and which decides. Raises UsageError.

    The effects of a tool that would have to be imported to know them count as `exec`.
    """
    from runner.tools.permission_rules import AGENT_FILE, USER_FILE, RuleLayer  # lazy: as the next
    from runner.tools.permissions import PermissionPolicy, parse_call  # lazy: few ask

    call = parse_call(text)
    own, users = agent.permissions, agent.user.permissions
    layers = (
        RuleLayer.of(AGENT_FILE, allow=own.allow, ask=own.ask, deny=own.deny),
        RuleLayer.of(USER_FILE, allow=users.allow, ask=users.ask, deny=users.deny),
    )
    with closing(open_toolbox(filter(_opens_without_running, agent.tools))) as toolbox:
        if (tool := toolbox.find(call.name)) is not None:
            return PermissionPolicy(layers, toolbox.find).explain(call, tool.spec)
        for entry in agent.tools:
            if not _opens_without_running(entry) and call.name.partition("__")[0] == entry.name:
                tool = _UnopenedTool(entry, call.name)
                return PermissionPolicy(layers, {call.name: tool}.get).explain(call, tool.spec)
        known = [*(spec.name for spec in toolbox.specs), *(entry.name for entry in agent.tools)]
    raise UsageError(f"the agent has no tool {call.name!r}", where=str(agent.path), fix=nearest(call.name, known))
