"""Loads and checks agent files: to an Agent, or to every diagnostic at once. Nothing that the file names is run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from runner.config.agent import Agent, Fallback, PromptSource, Reply, UserConfig
from runner.config.agent_source import AgentSource, InvalidPaths
from runner.config.diagnostics import Diagnostic, Location, Severity, sorted_diagnostics
from runner.config.layers import Layers, extends_chain, override_document, override_documents
from runner.config.paths import path_kind, real_path
from runner.config.template.render import template_dependencies
from runner.config.template.system_prompt import prompt_diagnostics, prompt_source
from runner.config.template.variables import parse_variable
from runner.config.user import load_user_config, parse_permissions
from runner.config.validation.checks import CHECKS
from runner.config.validation.env_vars import Substitution
from runner.config.validation.permissions import rule_diagnostics
from runner.config.validation.schema import schema_violations
from runner.config.validation.tools import tool_entries
from runner.config.yaml.document import Document
from runner.core.errors import ConfigError
from runner.core.policy import ContextPolicy, Limits, Retry, Timeouts
from runner.core.secrets import Secrets, mark_secret
from runner.gateways import CATALOGUE, GatewayPreset
from runner.tools.catalogue import tool_kind_of
from runner.tools.entry import ToolEntry

T = TypeVar("T")


class CheckedAgent(NamedTuple):
    """The agent, unless there are errors, and every diagnostic of its file and of the agent files that it names.

    `files` are the file and those that it extends.
    """

    agent: Agent | None
    diagnostics: tuple[Diagnostic, ...]
    files: tuple[Path, ...] = ()


class Overrides(NamedTuple):
    """What the command line sets above an agent file: `KEY.PATH=VALUE` settings, and a gateway and a model."""

    settings: Iterable[str] = ()
    gateway: str | None = None
    model: str | None = None

    def documents(self) -> Iterator[Document]:
        """Each as a document of one line. Raises ConfigError."""
        if self.gateway:
            yield override_document(f"--gateway {self.gateway}", ["gateway"], self.gateway)
        if self.model:
            yield override_document(f"--model {self.model}", ["model"], self.model)
        yield from override_documents(self.settings)


def load_agent(
    path: Path | str,
    *,
    overrides: Iterable[str] = (),
    gateway: str | None = None,
    model: str | None = None,
    environ: Mapping[str, str] | None = None,
    user: UserConfig | None = None,
) -> Agent:
    """The agent that a file describes, ready to run.

    `overrides` are `KEY.PATH=VALUE`, values in YAML; `gateway` and `model` stand above the file. `user` is the user's
    own configuration, read from its folder by default. Raises ConfigError with every error of every file; an
    environment variable that the file needs and that is not set is one.
    """
    checked = check_agent(path, overrides=Overrides(overrides, gateway, model), environ=environ, user=user)
    if checked.agent is None:
        raise ConfigError([diagnostic for diagnostic in checked.diagnostics if diagnostic.severity == "error"])
    return checked.agent


def check_agent(
    path: Path | str,
    *,
    overrides: Overrides | None = None,
    environ: Mapping[str, str] | None = None,
    user: UserConfig | None = None,
    missing_variable: Severity = "error",
) -> CheckedAgent:
    """Check an agent file, without running anything that it names.

    `missing_variable` says how a variable of the environment that is not set counts.
    """
    path = Path(path)
    environ = os.environ if environ is None else environ
    diagnostics: list[Diagnostic] = []
    loaded = (user, Secrets()) if user else _collect(diagnostics, lambda: load_user_config(environ))
    user, secrets = loaded or (UserConfig(), Secrets())
    command_line = _collect(diagnostics, lambda: [*overrides.documents()] if overrides else [])
    documents = _collect(diagnostics, lambda: [*extends_chain(path)])
    if not documents:
        return CheckedAgent(None, sorted_diagnostics(diagnostics))
    checker = _Checker(path, environ, user, dict(secrets), missing_variable, {real_path(path)})
    return checker.check([*(command_line or ()), *documents], diagnostics)


def _collect(diagnostics: list[Diagnostic], read: Callable[[], T]) -> T | None:
    """What `read` returns; None if it raised ConfigError, whose diagnostics are added to the list."""
    try:
        return read()
    except ConfigError as error:
        diagnostics += error.problems
        return None


class _Checker(NamedTuple):
    """The check of one agent file in its surroundings; `seen` are the files that are checked already."""

    path: Path
    environ: Mapping[str, str]
    user: UserConfig
    secrets: Mapping[str, str]
    missing_variable: Severity
    seen: set[Path]

    def check(self, documents: Sequence[Document], known: Sequence[Diagnostic] = ()) -> CheckedAgent:
        """The agent that the documents describe, the strongest first; its diagnostics join the `known` ones."""
        if no_mapping := next((document for document in documents if not isinstance(document.value, dict)), None):
            message = "an agent file is a mapping: gateway: …, model: …"
            return CheckedAgent(None, sorted_diagnostics([*known, Diagnostic(no_mapping.path, 1, 1, message)]))
        diagnostics = list(known)
        source = self._agent_source([*documents, *self._defaults(documents)], diagnostics)
        files = tuple(Path(document.path) for document in documents if document.text)
        if source.invalid.hold_all:
            return CheckedAgent(None, sorted_diagnostics(diagnostics), files)
        for check in CHECKS:
            diagnostics += check(source)
        entries, entry_diagnostics = tool_entries(source)
        diagnostics += entry_diagnostics
        diagnostics += rule_diagnostics(source, entries)
        for path in (path for entry in entries for path in tool_kind_of(entry).agent_files(entry)):
            diagnostics += self._agent_tool(path)
        prompt = _collect(diagnostics, lambda: prompt_source(source))
        used = _collect(diagnostics, lambda: template_dependencies(prompt)) if prompt else None
        if used:
            diagnostics += prompt_diagnostics(source, used.names)
        if not (prompt and used) or any(diagnostic.severity == "error" for diagnostic in diagnostics):
            return CheckedAgent(None, sorted_diagnostics(diagnostics), files)
        from_file = isinstance(source.value.get("system_prompt"), dict)
        prompt_file = (prompt.location.path,) if prompt.location and from_file else ()
        agent = _agent(source, entries, prompt)
        secrets = Secrets({**self.secrets, **source.secrets, **self._keys(agent)})
        agent = replace(agent, secrets=secrets, files=(*files, *prompt_file, *used.files))
        return CheckedAgent(agent, sorted_diagnostics(diagnostics), files)

    def _agent_source(self, documents: Sequence[Document], diagnostics: list[Diagnostic]) -> AgentSource:
        """The documents as one, its placeholders filled; what the schema does not allow is added to the list."""
        layers = Layers.of(documents)
        violations = schema_violations(layers.value, "agent")
        filled = Substitution(layers, self.environ, self.missing_variable)
        value = filled.fill(layers.value)
        diagnostics += layers.violation_diagnostics(violations)
        diagnostics += filled.diagnostics
        diagnostics += filled.gateway_diagnostics(value)
        invalid = InvalidPaths(violation.path for violation in violations)
        environment = (filled.from_user, filled.unfilled, filled.secrets, filled.sent)
        return AgentSource(self.path, value, layers, self.user, invalid, *environment)

    def _agent_tool(self, path: Path) -> Iterable[Diagnostic]:
        """The diagnostics of an agent file that is a tool of this one, once."""
        if path_kind(path) != "file" or real_path(path) in self.seen:
            return ()
        self.seen.add(real_path(path))
        diagnostics: list[Diagnostic] = []
        documents = _collect(diagnostics, lambda: [*extends_chain(path)])
        return self._replace(path=path).check(documents).diagnostics if documents else diagnostics

    def _defaults(self, documents: Sequence[Document]) -> Iterator[Document]:
        """The user's default gateway and model: both for a file that names neither, one if the other agrees."""
        user, value = self.user, Layers.of(documents).value
        if not isinstance(value, dict):
            return
        where = str(user.path)
        if user.gateway and "gateway" not in value and value.get("model", user.model) == user.model:
            yield override_document(where, ["gateway"], user.gateway)
        if user.model and "model" not in value and value.get("gateway", user.gateway) == user.gateway:
            yield override_document(where, ["model"], user.model)

    def _keys(self, agent: Agent) -> Mapping[str, str]:
        """The keys that the agent's gateways would use, so that they can be kept out of what is written."""
        presets = {**CATALOGUE, **agent.gateways}
        gateways = [agent.gateway, *(fallback.gateway for fallback in agent.fallback)]
        variables = {presets[name].key_from for name in gateways if name in presets} - {""}
        for variable in variables:
            mark_secret(variable)
        return {f"env:{name}": self.environ[name] for name in variables if self.environ.get(name)}


def _agent(source: AgentSource, tools: Sequence[ToolEntry], prompt: PromptSource) -> Agent:
    value = source.value
    return Agent(
        name=value.get("name", source.path.stem),
        gateway=value["gateway"],
        model=value["model"],
        path=source.path,
        description=value.get("description", ""),
        fallback=tuple(Fallback(**entry) for entry in value.get("fallback", ())),
        options=_whole_numbers(value.get("options", {})),
        system_prompt=prompt,
        variables={name: parse_variable(name, entry) for name, entry in value.get("variables", {}).items()},
        tools=tuple(tools),
        tool_choice=value.get("tool_choice", "auto"),
        reply=Reply(**value["reply"]) if "reply" in value else None,
        context=_context(value.get("context", {})),
        limits=Limits(**_whole_numbers(value.get("limits", {}))),
        timeouts=Timeouts(**value.get("timeouts", {})),
        retry=Retry(**value.get("retry", {})),
        permissions=parse_permissions(value.get("permissions", {})),
        gateways={**source.user.gateways, **_gateway_presets(value)},
        script=tuple({"text": entry} if isinstance(entry, str) else entry for entry in value.get("script", ())),
        user=source.user,
        locations=_locations(source),
        written_gateways=_written_gateways(source.layers),
        **{key: value[key] for key in ("prompt", "greeting", "cache") if key in value},
    )


def _locations(source: AgentSource) -> dict[str, Location]:
    """Where each key stands, and each within `options` and `variables`: these may be of different files."""
    inner = [(key, name) for key in ("options", "variables") for name in source.value.get(key) or ()]
    return {".".join(path): source.location(*path) for path in (*((key,) for key in source.value), *inner)}


def _whole_numbers(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """`1e3` is a float in YAML; where whole numbers are counted it is 1000."""
    return {
        key: int(number) if isinstance(number, float) and number.is_integer() else number
        for key, number in numbers.items()
    }


def _gateway_presets(value: Mapping[str, Any]) -> dict[str, GatewayPreset]:
    return {name: GatewayPreset(**fields) for name, fields in value.get("gateways", {}).items()}


def _written_gateways(layers: Layers) -> dict[str, Any]:
    """The gateways that stand in a file, and not on the command line alone."""
    return {
        name: fields
        for name, fields in layers.value.get("gateways", {}).items()
        if any(document.text and document.node(("gateways", name)) is not None for document in layers.documents)
    }


def _context(value: Mapping[str, Any]) -> ContextPolicy:
    settings: dict[str, Any] = {key: None if setting == "auto" else setting for key, setting in value.items()}
    return ContextPolicy(**settings)
