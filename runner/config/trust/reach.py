"""What an agent file can execute and reach, read off the file: nothing that it names is run, imported or contacted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runner.config.agent import Agent
from runner.config.trust.capabilities import KINDS_OF_DEED, Deed, deeds, escaped, rules


@dataclass(frozen=True, slots=True)
class Reach:
    """Everything that a file and the agent files it names can do; false if that is nothing to ask about.

    `agents` are the agent itself and those others, each once.
    """

    deeds: tuple[Deed, ...]
    agents: tuple[Agent, ...]

    def __bool__(self) -> bool:
        return bool(self.deeds)

    def __str__(self) -> str:
        return "\n".join(f"  {deed}" + (f"  ({escaped(deed.where)})" if deed.where else "") for deed in self.deeds)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that keys and other variables of the environment would be sent to."""
        return tuple(dict.fromkeys(deed.host for deed in self.deeds if deed.host))


def reach(agent: Agent) -> Reach:
    """What the file can do, the files of its `agent:` tools included. Raises ConfigError for one of these."""
    agents = _with_others(agent)
    found = [deed for each in agents for deed in deeds(each)]
    if found:
        found += [deed for each in agents for deed in rules(each)]
    return Reach(tuple(sorted(dict.fromkeys(found), key=lambda deed: KINDS_OF_DEED.index(deed.kind))), agents)


def _with_others(agent: Agent) -> tuple[Agent, ...]:
    found = {agent.path.resolve(): agent}
    waiting = [agent]
    while waiting:
        for path in _agent_files(waiting.pop()):
            if path.resolve() not in found:
                from runner.config.loader import load_agent  # lazy: few agents have others as tools

                found[path.resolve()] = another = load_agent(path, user=agent.user)
                waiting.append(another)
    return tuple(found.values())


def _agent_files(agent: Agent) -> Iterator[Path]:
    return (each.base / str(each.options["file"]) for each in agent.tools if each.kind == "agent")
