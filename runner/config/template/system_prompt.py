"""The system prompt of a draft: where its text comes from, and whether its names and the variables agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runner.config.agent import DEFAULT_SYSTEM_PROMPT, Place, PromptSource
from runner.config.diagnostics import Problem, nearest
from runner.config.draft import Draft
from runner.config.template.render import is_template
from runner.config.yaml.document import Key, Run
from runner.config.yaml.parser import read_text
from runner.core.errors import ConfigError

_WHERE: tuple[Key, ...] = ("system_prompt",)


def prompt_source(draft: Draft) -> PromptSource:
    """The system prompt's text. Raises ConfigError if its file cannot be had."""
    root = draft.path.parent
    if not draft.sound(*_WHERE):
        return PromptSource(DEFAULT_SYSTEM_PROMPT, root)
    given = draft.value["system_prompt"]
    if isinstance(given, str):
        runs = draft.layers.runs(_WHERE) if is_template(given) else ()
        return PromptSource(given, root, draft.place(*_WHERE), runs)
    path = (*_WHERE, "file")
    if problem := draft.misplaced(path, given["file"], wanted="file"):
        raise ConfigError([problem])
    file = draft.file(path, given["file"])
    text = read_text(file).replace("\r\n", "\n")
    return PromptSource(text, root, Place(file, 1), tuple(_line_starts(text)))


def prompt_problems(draft: Draft, names: Mapping[str, Problem]) -> Iterator[Problem]:
    """Names that are used and not declared, at their lines; and those declared for nothing, as warnings."""
    variables = draft.value.get("variables")
    declared = variables if isinstance(variables, dict) else {}
    for name, problem in names.items():
        if name not in declared:
            hint = nearest(name, declared) or "declare it under variables:"
            yield Problem(problem.path, problem.line, problem.column, problem.message, hint, length=problem.length)
    for name in declared:
        if name not in names and draft.sound("variables", name):
            message = "no template uses it"
            yield draft.problem(("variables", name), message, at_key=True, severity="warning")


def _line_starts(text: str) -> Iterator[Run]:
    offset = 0
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        yield offset, number, 1
        offset += len(line)
