"""The agent file as a frozen value; field names are the file's keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from runner.config.diagnostics import Location, SourceMap
from runner.core.policy import DEFAULT_SYSTEM_PROMPT, ContextPolicy, Limits, Retry, Timeouts
from runner.core.secrets import Secrets
from runner.gateways import GatewayPreset
from runner.tools.entry import ToolEntry

DEFAULT_PROMPT = "Query: "
DEFAULT_GREETING = "Chatbot started. Type 'exit' to quit."


@dataclass(frozen=True, slots=True)
class PromptSource:
    """A template's text, the folder its includes may come from, where it stands, and how it lies in its file."""

    text: str
    root: Path
    location: Location | None = None
    source_map: SourceMap = ()


@dataclass(frozen=True, slots=True)
class Variable:
    """A declared variable of the templates; `default` is None where there is none."""

    name: str
    type: str = "string"
    default: Any = None
    description: str = ""
    required: bool = False
    choices: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Fallback:
    """Who is asked when the first choice cannot be."""

    gateway: str
    model: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """Structured output: the schema the answer must keep, and how often the model is asked again."""

    schema: Mapping[str, Any]
    retries: int = 2


@dataclass(frozen=True, slots=True)
class Permissions:
    """Rules `tool` or `tool(pattern)`; deny beats ask beats allow."""

    allow: tuple[str, ...] = ()
    ask: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UserConfig:
    """The user's own `config.yaml`: it stands below the agent file, save for permissions, which no file loosens.

    `gateway` and `model` are for agents that name none; `hosts` may be sent keys, beside the known servers' own.
    """

    path: Path | None = None
    gateway: str = ""
    model: str = ""
    gateways: Mapping[str, GatewayPreset] = field(default_factory=dict)
    permissions: Permissions = Permissions()
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Agent:
    """One valid agent file, with its `extends` chain merged and its `${env:…}` filled in.

    `gateways` are the file's and the user's own; `files` is all that was read, the agent file first, for trust.
    `locations` gives the location of each top-level key and of `options.KEY` and `variables.NAME`, for messages; `path`
    is the file, as the user named it.
    `written_gateways` are the file's own, without what the command line added, before placeholders were filled in.
    """

    name: str
    gateway: str
    model: str
    path: Path
    description: str = ""
    fallback: tuple[Fallback, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    system_prompt: PromptSource = PromptSource(DEFAULT_SYSTEM_PROMPT, Path())
    variables: Mapping[str, Variable] = field(default_factory=dict)
    tools: tuple[ToolEntry, ...] = ()
    tool_choice: str = "auto"
    reply: Reply | None = None
    context: ContextPolicy = ContextPolicy()
    cache: Literal["auto", "off"] = "auto"
    limits: Limits = Limits()
    timeouts: Timeouts = Timeouts()
    retry: Retry = Retry()
    permissions: Permissions = Permissions()
    prompt: str = DEFAULT_PROMPT
    greeting: str = DEFAULT_GREETING
    gateways: Mapping[str, GatewayPreset] = field(default_factory=dict)
    script: tuple[Mapping[str, Any], ...] = ()
    user: UserConfig = UserConfig()
    secrets: Secrets = field(default_factory=Secrets)
    files: tuple[Path, ...] = ()
    locations: Mapping[str, Location] = field(default_factory=dict)
    written_gateways: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def location(self, key: str) -> str:
        """Where a key stands, or the file where it does not."""
        return str(self.locations.get(key, self.path))
