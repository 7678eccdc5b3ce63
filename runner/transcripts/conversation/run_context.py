"""What the cells of one run share: suites and agents read once, toolboxes opened once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runner.config.agent import Agent, Permissions, UserConfig
from runner.config.loader import check_agent, load_agent
from runner.config.user import load_user_config
from runner.core.errors import ConfigError, NeedsTrust
from runner.core.messages import ToolSpec
from runner.core.secrets import environment_secrets
from runner.tools import Toolbox, ToolSettings, open_toolbox
from runner.tools.catalogue import tool_kind_of
from runner.tools.entry import ToolEntry
from runner.transcripts.conversation.scripted_user import ScriptedUser
from runner.transcripts.conversation.tool_modes import (
    RUNNING_MODES,
    can_stay_closed,
    is_built_in,
    runs_in_replay,
    tool_mode,
)
from runner.transcripts.expectations import expectation_kind
from runner.transcripts.files.names import name_diagnostics
from runner.transcripts.files.suite_file import SuiteFiles
from runner.transcripts.model import RecordedEntry, Recording, Transcript
from runner.transcripts.redaction import Redactor

if TYPE_CHECKING:
    from runner.config.trust.trust import TrustedContent
    from runner.transcripts.conversation.closed_entries import ClosedEntry


class ReplayedEntries(NamedTuple):
    """The entries under `tools:` in a replay: `toolbox` has the tools of those that are opened.

    `closed` are the others, by their position.
    """

    entries: tuple[ToolEntry, ...]
    toolbox: Toolbox
    closed: Mapping[int, ClosedEntry]

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """The tools as the model is told of them, in the order of their entries."""
        if not self.closed:
            return self.toolbox.specs
        opened: dict[int, list[ToolSpec]] = {}
        for spec in self.toolbox.specs:
            opened.setdefault(id(self.toolbox.entry(spec.name)), []).append(spec)
        return tuple(
            spec
            for position, entry in enumerate(self.entries)
            for spec in (self.closed[position].specs if position in self.closed else opened.get(id(entry), ()))
        )

    def recorded_entries(self, tool_names: Sequence[str]) -> Mapping[str, RecordedEntry]:
        """What a recording made now would keep of the entries that can stay closed."""
        from runner.transcripts.conversation.closed_entries import recorded_entries  # lazy: only where one is recorded

        names = {id(self.entries[position]): closed.names for position, closed in self.closed.items()}
        return recorded_entries(
            self.entries,
            [*tool_names, *(name for each in names.values() for name in each if name not in tool_names)],
            lambda name: (
                next((each for each in self.entries if name in names.get(id(each), ())), None)
                or self.toolbox.entry(name)
            ),
        )


class RunContext:
    """Agents and tools for the cells of one run. `trust` consents to what the agents can execute."""

    def __init__(self, *, offline: bool = True, trust: bool = False) -> None:
        self.offline = offline
        self.trust = trust
        self.suite_files = SuiteFiles()
        self._agents: dict[tuple[Path, str], Agent] = {}
        self._toolboxes: dict[tuple[Path, tuple[int, ...], bool], Toolbox] = {}
        self._opened: list[Toolbox] = []
        self._trusted: dict[Path, TrustedContent | None] = {}
        self._untrusted: set[Path] = set()
        self._redactors: dict[tuple[Path, str], Redactor] = {}
        self._user: UserConfig | None = None
        self._checked: dict[Path, Transcript] = {}

    def agent(self, transcript: Transcript, model: str = "") -> Agent:
        """The transcript's agent, asking `model` (GATEWAY/MODEL) if that is given.

        Raises ConfigError for what is wrong with it, and for a name in the transcript that stands for nothing there.
        """
        key = (transcript.agent, model)
        if key not in self._agents:
            self._agents[key] = with_model(self.agent(transcript), model) if model else self._load(transcript.agent)
        agent = self._agents[key]
        if self._checked.get(transcript.path) is not transcript:
            if diagnostics := name_diagnostics(transcript, agent, offline=self.offline):
                raise ConfigError(sorted(diagnostics))
            self._checked[transcript.path] = transcript
        return agent

    def redactor(self, agent: Agent, transcript: Transcript) -> Redactor:
        """What masks the agent's secrets in a replay; its counts mean nothing there, so the cells share it."""
        key = (agent.path, str(transcript.redact))
        if key not in self._redactors:
            self._redactors[key] = redactor_for(agent, transcript)
        return self._redactors[key]

    def tools(self, agent: Agent, transcript: Transcript, recording: Recording, user: ScriptedUser) -> ReplayedEntries:
        """The agent's entries for a replay: opened, or closed where opening would do more than read the agent's files.

        One that can be closed is opened where the transcript lets its tools run, and one that only imports code also
        where that code is trusted. `user` answers what an agent asks that runs as a tool. Raises NeedsTrust.
        """
        closed: dict[int, ClosedEntry] = {}
        runs = False
        for position, entry in enumerate(agent.tools):
            if can_stay_closed(entry):
                from runner.transcripts.conversation.closed_entries import closed_entry, tool_names_of  # lazy: few can

                names = tool_names_of(entry, agent, recording)
                must_open = names is None or runs_in_replay(entry, names, transcript.modes)
                if must_open or not (tool_kind_of(entry).served or self._needs_trust(agent)):
                    runs = True
                else:
                    closed[position] = closed_entry(entry, names or (), recording)
        opened = tuple(entry for position, entry in enumerate(agent.tools) if position not in closed)
        asked = [entry for entry in opened if any(True for _ in tool_kind_of(entry).agent_files(entry))]
        if any(runs_in_replay(entry, (entry.name,), transcript.modes) for entry in asked):
            return ReplayedEntries(agent.tools, self._toolbox_with_agents(agent, opened, user), closed)
        toolbox = self._toolbox(agent, opened, runs=runs)
        # What a file declares harmless is run, to be verified: whether it is harmless, only trust tells.
        for spec in toolbox.specs if not runs else ():
            opened_from = toolbox.entry(spec.name)
            if not is_built_in(opened_from) and tool_mode(spec, opened_from, transcript.modes) in RUNNING_MODES:
                toolbox = self._toolbox(agent, opened, runs=True)
                break
        return ReplayedEntries(agent.tools, toolbox, closed)

    def _toolbox(self, agent: Agent, entries: tuple[ToolEntry, ...], *, runs: bool) -> Toolbox:
        """A toolbox that all cells with these entries share; if it runs something, it is held to what was trusted."""
        content = self.ensure_trusted(agent) if runs else None
        key = (agent.path, tuple(map(id, entries)), runs)
        if key not in self._toolboxes:
            settings = ToolSettings(
                seconds=agent.limits.tool_seconds,
                output_bytes=agent.limits.tool_output_bytes,
                trusted=content.files if content is not None else None,
                describe_agent=lambda path: self._agent_tool(path).description,
            )
            self._toolboxes[key] = open_toolbox(entries, settings)
            self._opened.append(self._toolboxes[key])
        return self._toolboxes[key]

    def _toolbox_with_agents(self, agent: Agent, entries: tuple[ToolEntry, ...], user: ScriptedUser) -> Toolbox:
        """A toolbox with agents in it that are asked; what these ask in turn, the script's user answers."""
        from runner.engine.from_agent import SessionOptions, open_tools  # lazy, as the next: few replays ask an agent
        from runner.engine.session import ChatSession

        options = SessionOptions(ChatSession, approve=user.approve, ask=user.ask)
        toolbox = open_tools(replace(agent, tools=entries), options, self.ensure_trusted(agent))
        self._opened.append(toolbox)
        return toolbox

    def _agent_tool(self, path: Path) -> Agent:
        """The agent of a file that is a tool of another, read without its keys."""
        if (path, "") not in self._agents:
            self._agents[path, ""] = self._load(path)
        return self._agents[path, ""]

    def _needs_trust(self, agent: Agent) -> bool:
        """What the agent names may not be run, since nobody trusts it, or cannot be told for want of a key."""
        if agent.path not in self._untrusted:
            try:
                self.ensure_trusted(agent)
            except (NeedsTrust, ConfigError):
                self._untrusted.add(agent.path)
        return agent.path in self._untrusted

    def may_run_code(self, transcript: Transcript, agent: Agent) -> bool:
        """Whether holding the conversation may run, in this process, code that is not this program's."""
        if self.trust and any(expectation_kind(each.kind).runs_code for each in transcript.expectations()):
            return True
        foreign = [entry for entry in agent.tools if not is_built_in(entry)]
        if self.offline:
            foreign = [
                entry
                for entry in foreign
                if can_stay_closed(entry) or runs_in_replay(entry, (entry.name,), transcript.modes)
            ]
        return bool(foreign) and not self._needs_trust(agent)

    def ensure_trusted(self, agent: Agent) -> TrustedContent | None:
        """What was consented to when the agent was first run, which holds for the whole run. Raises NeedsTrust."""
        if agent.path not in self._trusted:
            from runner.config.trust.trust import ensure_trusted  # lazy: a replay of stubs runs nothing

            self._trusted[agent.path] = ensure_trusted(agent, trust=self.trust)
        return self._trusted[agent.path]

    def close(self) -> None:
        """Let go of every toolbox."""
        for toolbox in self._opened:
            toolbox.close()

    def _load(self, path: Path) -> Agent:
        if not self.offline:
            return load_agent(path)
        if self._user is None:  # the user's permissions would make a replay differ from machine to machine
            self._user = replace(load_user_config()[0], permissions=Permissions())
        examined = check_agent(path, user=self._user, missing_variable="warning")  # a replay needs no key
        if examined.agent is None:
            raise ConfigError([diagnostic for diagnostic in examined.diagnostics if diagnostic.severity == "error"])
        return examined.agent


def with_model(agent: Agent, model: str) -> Agent:
    """The agent with that GATEWAY/MODEL as its only choice, and the options of the fallback that names it."""
    gateway, _, name = model.partition("/")
    fallback = next((each for each in agent.fallback if (each.gateway, each.model) == (gateway, name)), None)
    options = fallback.options if fallback is not None and fallback.options else agent.options
    return replace(agent, gateway=gateway, model=name, options=options, fallback=())


def declared_models(agent: Agent) -> tuple[str, ...]:
    """Every GATEWAY/MODEL that the agent file names, the first choice first."""
    fallback = (f"{each.gateway}/{each.model}" for each in agent.fallback)
    return (f"{agent.gateway}/{agent.model}", *fallback)


def needed_models(transcript: Transcript, agent: Agent) -> tuple[str, ...]:
    """Every GATEWAY/MODEL of which the transcript needs a recording: those it lists, else those that the agent names.

    None where hand-written recordings alone play every turn; no fallback where they play how the model fails. One in
    which a fallback took place stands for every model that was asked in it.
    """
    by_hand = [recording for recording in transcript.recordings if recording.by_hand]
    if transcript.models:
        return transcript.models
    if by_hand and len(by_hand) == len(transcript.recordings):
        turns = {turn for recording in by_hand for turn in recording.turns}
        if all(turn.id in turns for turn in transcript.turns):
            return ()
    replies = (reply for recording in by_hand for replies in recording.turns.values() for reply in replies)
    together = {route.model for recording in transcript.recordings for route in recording.routes}
    models = tuple(model for model in declared_models(agent) if model not in together)
    return models[:1] if any(reply.error is not None for reply in replies) else tuple(dict.fromkeys(models))


def redactor_for(agent: Agent, transcript: Transcript) -> Redactor:
    """Masks the agent's secrets, and what the transcript's own patterns match."""
    return Redactor(secrets_of(agent), transcript.redact)


def secrets_of(agent: Agent) -> dict[str, str]:
    """What the agent resolved from the environment, and what looks secret in it."""
    return dict(agent.secrets) | {f"env:{name}": value for name, value in environment_secrets(os.environ).items()}


def model_of(recording: Recording) -> str:
    """The GATEWAY/MODEL that a recording stands for; empty, for the agent's own, by hand or with a fallback."""
    return "" if recording.by_hand or recording.falls_back else recording.name
