"""From a file to an Agent: layers, shape, sense, and all problems at once. Nothing that the file names is run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from runner.config.agent import Agent, Fallback, PromptSource, Reply, User
from runner.config.diagnostics import Diagnostic, Severity, in_order
from runner.config.draft import Draft
from runner.config.layers import Layers, chain, from_settings, setting_document
from runner.config.paths import kind_of, real
from runner.config.template.render import uses
from runner.config.template.system_prompt import prompt_diagnostics, prompt_source
from runner.config.template.variables import declared
from runner.config.user import load_user, permissions
from runner.config.validation.checks import CHECKS
from runner.config.validation.env_vars import Substitution
from runner.config.validation.permissions import rule_diagnostics
from runner.config.validation.schema import schema_violations
from runner.config.validation.tools import tool_entries
from runner.config.yaml.document import Document
from runner.core.errors import ConfigError
from runner.core.policy import ContextPolicy, Limits, Retry, Timeouts
from runner.core.secrets import Secrets
from runner.gateways import CATALOGUE, GatewayPreset
from runner.tools.catalogue import tool_kind_of
from runner.tools.entry import ToolEntry

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Examined:
    """What a look at a file gave: the agent, unless there are errors, and every problem of it and of what it names.

    `files` are the file and those that it extends.
    """

    agent: Agent | None
    diagnostics: tuple[Diagnostic, ...]
    files: tuple[Path, ...] = ()


def load_agent(
    path: Path | str,
    *,
    overrides: Iterable[str] = (),
    gateway: str | None = None,
    model: str | None = None,
    environ: Mapping[str, str] | None = None,
    user: User | None = None,
) -> Agent:
    """The agent that a file describes, ready to run.

    `overrides` are `KEY.PATH=VALUE`, values in YAML; `gateway` and `model` stand above the file. `user` is the user's
    own configuration, read from its folder by default. Raises ConfigError with every error of every file; an
    environment variable that the file needs and that is not set is one.
    """
    examined = examine(path, overrides=overrides, gateway=gateway, model=model, environ=environ, user=user)
    if examined.agent is None:
        raise ConfigError([each for each in examined.diagnostics if each.severity == "error"])
    return examined.agent


def examine(
    path: Path | str,
    *,
    overrides: Iterable[str] = (),
    gateway: str | None = None,
    model: str | None = None,
    environ: Mapping[str, str] | None = None,
    user: User | None = None,
    missing_variable: Severity = "error",
) -> Examined:
    """Everything that can be said of an agent file without running it.

    `missing_variable` says how a variable of the environment that is not set counts.
    """
    path = Path(path)
    environ = os.environ if environ is None else environ
    diagnostics: list[Diagnostic] = []
    given = (user, Secrets()) if user else _collect(diagnostics, lambda: load_user(environ))
    own, secrets = given or (User(), Secrets())
    above = _collect(diagnostics, lambda: [*_command_line(gateway, model), *from_settings(overrides)]) or []
    file = _collect(diagnostics, lambda: [*chain(path)])
    if not file:
        return Examined(None, in_order(diagnostics))
    examination = _Examination(path, environ, own, dict(secrets), missing_variable, {real(path)})
    return examination.of([*above, *file], diagnostics)


def _collect(diagnostics: list[Diagnostic], read: Callable[[], T]) -> T | None:
    """What `read` gives; or nothing, and its problems are added to the others."""
    try:
        return read()
    except ConfigError as error:
        diagnostics += error.problems
        return None


def _command_line(gateway: str | None, model: str | None) -> Iterator[Document]:
    if gateway:
        yield setting_document(f"--gateway {gateway}", ["gateway"], gateway)
    if model:
        yield setting_document(f"--model {model}", ["model"], model)


@dataclass(frozen=True, slots=True)
class _Examination:
    """One file under examination, with what stands around it."""

    path: Path
    environ: Mapping[str, str]
    user: User
    secrets: Mapping[str, str]
    missing: Severity
    seen: set[Path]

    def of(self, documents: Sequence[Document], diagnostics: Sequence[Diagnostic] = ()) -> Examined:
        """What can be said of the documents, beside the `problems` that are known already."""
        if wrong := next((each for each in documents if not isinstance(each.value, dict)), None):
            told = Diagnostic(wrong.path, 1, 1, "an agent file is a mapping: gateway: …, model: …")
            return Examined(None, in_order([*diagnostics, told]))
        found = list(diagnostics)
        draft = self._draft([*documents, *self._defaults(documents)], found)
        for check in CHECKS:
            found += check(draft)
        tools, wrong_tools = tool_entries(draft)
        found += wrong_tools
        found += rule_diagnostics(draft, tools)
        for path in (path for entry in tools for path in tool_kind_of(entry).agent_files(entry)):
            found += self._inside(path)
        prompt = _collect(found, lambda: prompt_source(draft))
        used = _collect(found, lambda: uses(prompt)) if prompt else None
        if used:
            found += prompt_diagnostics(draft, used.names)
        files = tuple(Path(each.path) for each in documents if each.text)
        if not (prompt and used) or any(each.severity == "error" for each in found):
            return Examined(None, in_order(found), files)
        own_file = (
            (prompt.location.path,) if prompt.location and isinstance(draft.value.get("system_prompt"), dict) else ()
        )
        agent = _agent(draft, tools, prompt)
        secrets = Secrets({**self.secrets, **draft.secrets, **self._keys(agent)})
        agent = replace(agent, secrets=secrets, files=(*files, *own_file, *used.files))
        return Examined(agent, in_order(found), files)

    def _draft(self, documents: Sequence[Document], diagnostics: list[Diagnostic]) -> Draft:
        """The documents as one, its placeholders filled; what is wrong with its shape is added to the problems."""
        layers = Layers.of(documents)
        wrong = schema_violations(layers.value, "agent")
        filled = Substitution(layers, self.environ, self.missing)
        value = filled.fill(layers.value)
        diagnostics += (layers.diagnostic(each.path, each.message, each.hint, at_key=each.at_key) for each in wrong)
        diagnostics += filled.diagnostics
        return Draft(self.path, value, layers, self.user, wrong, filled.from_user, filled.unfilled, filled.secrets)

    def _inside(self, path: Path) -> Iterable[Diagnostic]:
        """The diagnostics of an agent file that is a tool of this one, once."""
        if kind_of(path) != "file" or real(path) in self.seen:
            return ()
        self.seen.add(real(path))
        diagnostics: list[Diagnostic] = []
        documents = _collect(diagnostics, lambda: [*chain(path)])
        return replace(self, path=path).of(documents).diagnostics if documents else diagnostics

    def _defaults(self, documents: Sequence[Document]) -> Iterator[Document]:
        """The user's default gateway and model: both for a file that names neither, one if the other agrees."""
        user, value = self.user, Layers.of(documents).value
        if not isinstance(value, dict):
            return
        where = str(user.path)
        if user.gateway and "gateway" not in value and value.get("model", user.model) == user.model:
            yield setting_document(where, ["gateway"], user.gateway)
        if user.model and "model" not in value and value.get("gateway", user.gateway) == user.gateway:
            yield setting_document(where, ["model"], user.model)

    def _keys(self, agent: Agent) -> Mapping[str, str]:
        """The keys that the agent's gateways would use, so that they can be kept out of what is written."""
        presets = {**CATALOGUE, **agent.gateways}
        named = [agent.gateway, *(each.gateway for each in agent.fallback)]
        variables = {presets[name].key_from for name in named if name in presets} - {""}
        return {f"env:{name}": self.environ[name] for name in variables if self.environ.get(name)}


def _agent(draft: Draft, tools: Sequence[ToolEntry], prompt: PromptSource) -> Agent:
    value = draft.value
    return Agent(
        name=value.get("name", draft.path.stem),
        gateway=value["gateway"],
        model=value["model"],
        path=draft.path,
        description=value.get("description", ""),
        fallback=tuple(Fallback(**each) for each in value.get("fallback", ())),
        options=_whole(value.get("options", {})),
        system_prompt=prompt,
        variables={name: declared(name, entry) for name, entry in value.get("variables", {}).items()},
        tools=tuple(tools),
        tool_choice=value.get("tool_choice", "auto"),
        reply=Reply(**value["reply"]) if "reply" in value else None,
        context=_context(value.get("context", {})),
        limits=Limits(**_whole(value.get("limits", {}))),
        timeouts=Timeouts(**value.get("timeouts", {})),
        retry=Retry(**value.get("retry", {})),
        permissions=permissions(value.get("permissions", {})),
        gateways={**draft.user.gateways, **_gateway_presets(value)},
        script=tuple({"text": each} if isinstance(each, str) else each for each in value.get("script", ())),
        user=draft.user,
        locations={key: draft.location(key) for key in value},
        **{key: value[key] for key in ("prompt", "greeting") if key in value},
    )


def _whole(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """`1e3` is a float in YAML; where whole numbers are counted it is 1000."""
    return {key: int(each) if isinstance(each, float) and each.is_integer() else each for key, each in numbers.items()}


def _gateway_presets(value: Mapping[str, Any]) -> dict[str, GatewayPreset]:
    return {name: GatewayPreset(**fields) for name, fields in value.get("gateways", {}).items()}


def _context(value: Mapping[str, Any]) -> ContextPolicy:
    given: dict[str, Any] = {key: None if each == "auto" else each for key, each in value.items()}
    return ContextPolicy(**given)
