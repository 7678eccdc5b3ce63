"""From a file to an Agent: layers, shape, sense, and all problems at once. Nothing that the file names is run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runner.config.agent import Agent, Fallback, PromptSource, Reply, User
from runner.config.declarations import declarations
from runner.config.document import Document
from runner.config.draft import Draft
from runner.config.layers import Layers, chain, from_settings, setting_document
from runner.config.problems import Problem, Severity, in_order
from runner.config.prompts import prompt_files, prompt_problems, prompt_source
from runner.config.rules import rule_problems
from runner.config.schema import mistakes
from runner.config.secrets import Secrets
from runner.config.sense import CHECKS
from runner.config.substitution import Substitution
from runner.config.user import load_user, permissions
from runner.config.variables import declared
from runner.core.errors import ConfigError
from runner.core.policy import ContextPolicy, Limits, Retry, Timeouts
from runner.gateways import CATALOGUE, Row
from runner.tools.toolbox import Declared


@dataclass(frozen=True, slots=True)
class Examined:
    """What a look at a file gave: the agent, unless there are errors, and every problem of it and of what it names.

    `files` are the file and those that it extends.
    """

    agent: Agent | None
    problems: tuple[Problem, ...]
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
        raise ConfigError([each for each in examined.problems if each.severity == "error"])
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
    """Everything that can be said of an agent file without running it; `missing_variable` is how a gap in the
    environment counts."""
    path = Path(path)
    environ = os.environ if environ is None else environ
    secrets: Mapping[str, str] = {}
    try:
        if user is None:
            user, kept = load_user(environ)
            secrets = kept.values
        above = [*_command_line(gateway, model), *from_settings(overrides)]
        documents = [*above, *chain(path)]
    except ConfigError as error:
        return Examined(None, error.problems)
    return _Examination(path, environ, user, secrets, missing_variable, {path.resolve()}).of(documents)


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

    def of(self, documents: Sequence[Document]) -> Examined:
        layers = Layers.of([*documents, *self._defaults(documents)])
        if wrong := next((each for each in documents if not isinstance(each.value, dict)), None):
            message = "an agent file is a mapping: gateway: …, model: …"
            return Examined(None, (Problem(wrong.path, 1, 1, message),))
        found = mistakes(layers.value, "agent")
        substitution = Substitution(layers, self.environ, self.missing)
        value = substitution.fill(layers.value)
        draft = Draft(self.path, value, layers, self.user, found, frozenset(substitution.from_user))
        problems = [layers.problem(each.path, each.message, each.hint, at_key=each.at_key) for each in found]
        problems += substitution.problems
        for check in CHECKS:
            problems += check(draft)
        tools, wrong_tools = declarations(draft)
        problems += wrong_tools
        problems += rule_problems(draft, tools)
        for declared_agent in tools:
            problems += self._inside(draft, declared_agent)
        try:
            prompt = prompt_source(draft)
            problems += prompt_problems(draft, prompt)
        except ConfigError as error:
            problems += error.problems
        if any(each.severity == "error" for each in problems):
            return Examined(None, in_order(problems), _files(draft))
        secrets = {**self.secrets, **substitution.secrets, **self._keys(value)}
        agent = _agent(draft, tools, prompt, Secrets(secrets))
        return Examined(agent, in_order(problems), _files(draft))

    def _inside(self, draft: Draft, tool: Declared) -> Iterable[Problem]:
        """The problems of an agent that is a tool of this one."""
        if (
            tool.kind != "agent"
            or not (path := tool.base / tool.options["file"]).is_file()
            or path.resolve() in self.seen
        ):
            return ()
        self.seen.add(path.resolve())
        try:
            documents = list(chain(path))
        except ConfigError as error:
            return error.problems
        return replace(self, path=path).of(documents).problems

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

    def _keys(self, value: Mapping[str, Any]) -> Mapping[str, str]:
        """The keys that the gateways of the file would use, so that they can be kept out of what is written."""
        rows = {**CATALOGUE, **self.user.gateways, **_rows(value)}
        named = [value["gateway"], *(each["gateway"] for each in value.get("fallback", ()))]
        variables = {rows[name].key_from for name in named if name in rows} - {""}
        return {f"env:{name}": self.environ[name] for name in variables if self.environ.get(name)}


def _agent(draft: Draft, tools: Sequence[Declared], prompt: PromptSource, secrets: Secrets) -> Agent:
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
        gateways={**draft.user.gateways, **_rows(value)},
        script=tuple({"text": each} if isinstance(each, str) else each for each in value.get("script", ())),
        user=draft.user,
        secrets=secrets,
        files=(*_files(draft), *prompt_files(prompt)),
        places={key: draft.place(key) for key in value},
        **{key: value[key] for key in ("prompt", "greeting") if key in value},
    )


def _whole(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """`1e3` is a float in YAML; where whole numbers are counted it is 1000."""
    return {key: int(each) if isinstance(each, float) and each.is_integer() else each for key, each in numbers.items()}


def _rows(value: Mapping[str, Any]) -> dict[str, Row]:
    return {name: Row(**row) for name, row in value.get("gateways", {}).items()}


def _context(value: Mapping[str, Any]) -> ContextPolicy:
    given: dict[str, Any] = {key: None if each == "auto" else each for key, each in value.items()}
    return ContextPolicy(**given)


def _files(draft: Draft) -> tuple[Path, ...]:
    return tuple(Path(each.path) for each in draft.layers.documents if each.text)
