"""The system prompt of an agent file: where its text comes from, and whether its names and the variables agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runner.config.agent import PromptSource
from runner.config.agent_source import AgentSource
from runner.config.diagnostics import Diagnostic, Location
from runner.config.template.render import is_template
from runner.config.text_file import read_text
from runner.config.yaml.document import NodePath
from runner.core.errors import ConfigError
from runner.core.policy import DEFAULT_SYSTEM_PROMPT
from runner.core.spelling import nearest

_PATH: NodePath = ("system_prompt",)
_MAX_HINTS = 100  # of misspelt names: to look for what is like one takes time


def prompt_source(source: AgentSource) -> PromptSource:
    """The system prompt's text. Raises ConfigError if its file cannot be had."""
    root = source.path.parent
    if not source.is_valid(*_PATH):
        return PromptSource(DEFAULT_SYSTEM_PROMPT, root)
    entry = source.value["system_prompt"]
    if isinstance(entry, str):
        source_map = source.layers.source_map(_PATH) if is_template(entry) else ()
        return PromptSource(entry, root, source.location(*_PATH), source_map)
    path = (*_PATH, "file")
    if diagnostic := source.path_diagnostic(path, entry["file"], expected="file"):
        raise ConfigError([diagnostic])
    file = source.file(path, entry["file"])
    text = read_text(file).replace("\r\n", "\n")
    return PromptSource(text, root, Location(file, 1), tuple(_line_starts(text)))


def prompt_diagnostics(source: AgentSource, names: Mapping[str, Diagnostic]) -> Iterator[Diagnostic]:
    """Names that are used and not declared, at their lines; and those declared for nothing, as warnings."""
    variables = source.value.get("variables")
    declared = variables if isinstance(variables, dict) else {}
    for number, (name, diagnostic) in enumerate(names.items()):
        if name not in declared:
            close = nearest(name, declared) if number < _MAX_HINTS else ""
            hint = close or "declare it under variables:"
            yield Diagnostic(
                diagnostic.path, diagnostic.line, diagnostic.column, diagnostic.message, hint, length=diagnostic.length
            )
    for name in declared:
        if name not in names and source.is_valid("variables", name):
            message = "no template uses it"
            yield source.diagnostic(("variables", name), message, at_key=True, severity="warning")


def _line_starts(text: str) -> Iterator[tuple[int, int, int]]:
    offset = 0
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        yield offset, number, 1
        offset += len(line)
