"""What an agent file can execute and reach, read off its text: nothing that it names is run, imported or contacted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.config.agent import Agent
from runner.core.addresses import host_of
from runner.core.capability import ACTIONS, Capability, destination, env_variables, origin
from runner.core.sanitize import escape_line
from runner.gateways import CATALOGUE, GatewayPreset, dialect_of, is_of_a_package
from runner.tools.catalogue import tool_kind_of

if TYPE_CHECKING:
    from runner.config.trust.declarations import Declaration

_Declared = tuple["Declaration | None", tuple[Capability, ...]]
"""What the file declares, and the capabilities that follow from it."""


@dataclass(frozen=True, slots=True)
class CapabilitySet:
    """Everything that an agent file and the agent files it names can do; false if that is nothing to ask about.

    `agents` are the agent itself and those others, each once. `declarations` are the texts, by name, by which the files
    declare all that: finer than what is shown.
    """

    items: tuple[Capability, ...]
    agents: tuple[Agent, ...]
    declarations: Mapping[str, str]

    def __bool__(self) -> bool:
        return bool(self.items)

    def __iter__(self) -> Iterator[Capability]:
        return iter(self.items)

    def __str__(self) -> str:
        return "\n".join(
            f"  {capability}" + (f"  ({escape_line(capability.where)})" if capability.where else "")
            for capability in self
        )

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that keys and other variables of the environment would be sent to."""
        return tuple(dict.fromkeys(capability.host for capability in self if capability.host))


def capabilities_of(agent: Agent) -> CapabilitySet:
    """What the file can do, the files of its `agent:` tools included. Raises ConfigError for one of these."""
    agents = with_agent_tools(agent)
    declared = [each for member in agents for each in _of_file(member) if each[1]]
    capabilities = [capability for _, each in declared for capability in each]
    if not capabilities:
        return CapabilitySet((), agents, {})
    from runner.config.trust.declarations import declaration_texts  # lazy: most agents need no trust

    capabilities += [capability for member in agents for capability in _preapproved_calls(member)]
    by_action = sorted(dict.fromkeys(capabilities), key=lambda capability: ACTIONS.index(capability.action))
    declarations = [declaration for declaration, _ in declared if declaration is not None]
    rules = [member.permissions for member in agents]
    return CapabilitySet(tuple(by_action), agents, declaration_texts([*declarations, *rules]))


def with_agent_tools(agent: Agent) -> tuple[Agent, ...]:
    """The agent and all that can be asked through it as tools, each once. Raises ConfigError."""
    agents = {agent.path.resolve(): agent}
    waiting = [agent]
    while waiting:
        for path in agent_files(waiting.pop()):
            if path.resolve() not in agents:
                from runner.config.loader import load_agent  # lazy: few agents have others as tools

                agents[path.resolve()] = agent_tool = load_agent(path, user=agent.user)
                waiting.append(agent_tool)
    return tuple(agents.values())


def agent_files(agent: Agent) -> Iterator[Path]:
    """The agent files that are tools of the agent."""
    return (path for entry in agent.tools for path in tool_kind_of(entry).agent_files(entry))


def gateway_capabilities(agent: Agent) -> tuple[Capability, ...]:
    """What asking the agent's model comes to, beyond asking a known server with its own key."""
    return tuple(capability for _, each in _of_gateways(agent) for capability in each)


def _of_gateways(agent: Agent) -> Iterator[_Declared]:
    for name, model in ((agent.gateway, agent.model), *((route.gateway, route.model) for route in agent.fallback)):
        written = agent.written_gateways.get(name, {})
        yield (name, written) if written else None, tuple(_gateway(agent, name, written))
        yield None, tuple(_weights(agent, name, model))


def _of_file(agent: Agent) -> Iterator[_Declared]:
    """What the file itself can do, in its order; not what the agents that it names can."""
    yield from _of_gateways(agent)
    for entry in agent.tools:
        yield entry, tuple(tool_kind_of(entry).capabilities(entry, agent.path.parent))


def _preapproved_calls(agent: Agent) -> Iterator[Capability]:
    """The calls that the file allows without a question; of interest where its tools can do anything."""
    from runner.tools.permission_rules import parse_rule  # lazy: most files allow nothing

    for rule in agent.permissions.allow:
        if parse_rule(rule).names_one_tool:
            yield Capability("allow", f"{rule} without asking each time", agent.location("permissions"))


def _gateway(agent: Agent, name: str, own: Mapping[str, Any]) -> Iterator[Capability]:
    preset, where = agent.gateways.get(name, CATALOGUE.get(name)), agent.location("gateways")
    if is_of_a_package(name, agent.gateways):
        yield Capability("import", f"the gateway {name} of an installed package", agent.location("gateway"))
    if preset is None or preset == CATALOGUE.get(name) or not own:
        return
    from runner.gateways.http.server_urls import preset_url  # lazy: most agents ask a server of the catalogue

    url, ca = preset_url(preset), preset.quirks.get("ca_bundle")
    sent = dict.fromkeys(filter(None, [preset.key_from])) | env_variables(own)
    if url and (ca or not _is_known(preset, url) or sent.keys() - {preset.key_from}):
        server, authorities = destination(url, own), f", by the authorities in {ca}" if ca else ""
        yield Capability("connect", f"{server} (the model's gateway {name}{authorities})", where)
        for variable in sent:
            yield Capability("send", f"{variable} to {server}", where, host_of(url))


def _is_known(preset: GatewayPreset, url: str) -> bool:
    """A preset of the file that only sends a service's own key to that service."""
    return any(
        origin(known.url) == origin(url) and preset.key_from in ("", known.key_from) for known in CATALOGUE.values()
    )


def _weights(agent: Agent, gateway: str, model: str) -> Iterator[Capability]:
    where = agent.location("model")
    is_typed = where.startswith("--")
    is_file = model.endswith(".gguf") and not model.startswith("hf:")
    if dialect_of(gateway, agent.gateways).runs_weights and is_file and not is_typed:
        yield Capability("load", f"the model file {model}", where)
