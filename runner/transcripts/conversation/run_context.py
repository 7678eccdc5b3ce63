"""What the cells of one run share: suites and agents read once, toolboxes opened once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runner.config.agent import Agent, Permissions, UserConfig
from runner.config.loader import check_agent, load_agent
from runner.config.user import load_user_config
from runner.core.errors import ConfigError
from runner.core.secrets import environment_secrets
from runner.tools import Toolbox, ToolSettings, open_toolbox
from runner.tools.catalogue import tool_kind_of
from runner.tools.entry import ToolEntry
from runner.transcripts.conversation.tool_modes import RUNNING_MODES, is_built_in, served_prefixes, tool_mode
from runner.transcripts.files.names import name_diagnostics
from runner.transcripts.files.suite_file import SuiteFiles
from runner.transcripts.model import Recording, Transcript
from runner.transcripts.redaction import Redactor

if TYPE_CHECKING:
    from runner.config.trust.trust import TrustedContent


class RunContext:
    """Agents and tools for the cells of one run. `trust` consents to what the agents can execute."""

    def __init__(self, *, offline: bool = True, trust: bool = False) -> None:
        self.offline = offline
        self.trust = trust
        self.suite_files = SuiteFiles()
        self._agents: dict[tuple[Path, str], Agent] = {}
        self._toolboxes: dict[tuple[Path, bool, bool], Toolbox] = {}
        self._trusted: dict[Path, TrustedContent | None] = {}
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

    def toolbox(self, agent: Agent, transcript: Transcript) -> Toolbox:
        """The agent's tools for a replay; a server's only where the transcript lets one run. Raises NeedsTrust."""
        prefixes = served_prefixes(agent)
        live = any(mode in RUNNING_MODES and name.startswith(prefixes) for name, mode in transcript.modes.items())
        entries = [entry for entry in agent.tools if live or not tool_kind_of(entry).served]
        runs = live or any(tool_kind_of(entry).imports(entry) for entry in entries)
        toolbox = self._opened(agent, entries, live=live, runs=runs)
        # What a file declares harmless is run, to be verified: whether it is harmless, only trust tells.
        for spec in toolbox.specs if not runs else ():
            entry = toolbox.entry(spec.name)
            if not is_built_in(entry) and tool_mode(spec, entry, transcript.modes) in RUNNING_MODES:
                return self._opened(agent, entries, live=live, runs=True)
        return toolbox

    def _opened(self, agent: Agent, entries: Sequence[ToolEntry], *, live: bool, runs: bool) -> Toolbox:
        """A toolbox of the entries; one that runs what the file names is held to what was consented to."""
        content = self.ensure_trusted(agent) if runs else None
        trusted = content.files if content is not None else None
        key = (agent.path, live, runs)
        if key not in self._toolboxes:
            limits = agent.limits
            settings = ToolSettings(seconds=limits.tool_seconds, output_bytes=limits.tool_output_bytes, trusted=trusted)
            self._toolboxes[key] = open_toolbox(entries, settings)
        return self._toolboxes[key]

    def ensure_trusted(self, agent: Agent) -> TrustedContent | None:
        """What was consented to when the agent was first run, which holds for the whole run. Raises NeedsTrust."""
        if agent.path not in self._trusted:
            from runner.config.trust.trust import ensure_trusted  # lazy: a replay of stubs runs nothing

            self._trusted[agent.path] = ensure_trusted(agent, trust=self.trust)
        return self._trusted[agent.path]

    def close(self) -> None:
        """Let go of every toolbox."""
        for toolbox in self._toolboxes.values():
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

    None where hand-written recordings alone play every turn; no fallback where they play how the model fails.
    """
    by_hand = [recording for recording in transcript.recordings if recording.by_hand]
    if transcript.models:
        return transcript.models
    if by_hand and len(by_hand) == len(transcript.recordings):
        turns = {turn for recording in by_hand for turn in recording.turns}
        if all(turn.id in turns for turn in transcript.turns):
            return ()
    replies = (reply for recording in by_hand for replies in recording.turns.values() for reply in replies)
    models = declared_models(agent)
    return models[:1] if any(reply.error is not None for reply in replies) else tuple(dict.fromkeys(models))


def redactor_for(agent: Agent, transcript: Transcript) -> Redactor:
    """Masks the agent's secrets, and what the transcript's own patterns match."""
    return Redactor(secrets_of(agent), transcript.redact)


def secrets_of(agent: Agent) -> dict[str, str]:
    """What the agent resolved from the environment, and what looks secret in it."""
    return dict(agent.secrets) | {f"env:{name}": value for name, value in environment_secrets(os.environ).items()}


def model_of(recording: Recording) -> str:
    """The GATEWAY/MODEL that a recording stands for; empty, for the agent's own, if it is written by hand."""
    return "" if recording.by_hand else recording.name
