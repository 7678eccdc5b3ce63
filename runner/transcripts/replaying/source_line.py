"""Which line of which file a change of the prompt or of a tool comes from."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from runner.config.agent import Agent, PromptSource
from runner.config.template.render import template_dependencies
from runner.config.text_file import MAX_BYTES
from runner.config.yaml.document import position_at
from runner.core.files import read_text_bounded
from runner.transcripts.model import ReplayInputs

_TAG = r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}"
_LIKE = 0.5
"""How like a line of the template a rendered one must be to come from it, from 0 to 1."""


def option_line(agent: Agent, changed: Sequence[str], route: int = 1) -> str:
    """The line that sets the first of the changed options, which are paths into what is sent."""
    if route > 1:
        return agent.location("fallback")
    key = changed[0].partition(".")[0] if changed else ""
    elsewhere = {"tool_choice": "tool_choice", "schema": "reply"}
    return agent.location(elsewhere.get(key, f"options.{key}" if f"options.{key}" in agent.locations else "options"))


def prompt_line(agent: Agent, inputs: ReplayInputs, old: str, new: str) -> str:
    """The line that the first changed line of the prompt comes from: of the prompt, of an include, or of a variable."""
    location = agent.system_prompt.location
    if location is None:
        return agent.location("system_prompt")
    was, now = _first_change(old.splitlines(), new.splitlines())
    lines = list(_template_lines(agent.system_prompt))
    fits = [_best_fit(lines, text) for text in now]
    if not any(fits):
        if name := _variable_with(now or was, agent, inputs):
            return _variable_location(name, agent, inputs)
        found = _most_similar(lines, now)
        return found.where(agent.system_prompt) if found else agent.location("reply") if agent.reply else str(location)
    # Of a line that is gone, the two around it are known: one of an include may be the only trace of a shorter include.
    fit = max(filter(None, fits), key=lambda each: each.file is not None)
    name = _changed_variable(fit, was[0], now[0], agent) if was and len(now) == 1 else ""
    return _variable_location(name, agent, inputs) if name else fit.where(agent.system_prompt)


class _TemplateLine(NamedTuple):
    """One line of the prompt's template, counted from 0, or of a file that it includes."""

    text: str
    number: int
    file: Path | None = None

    @property
    def weight(self) -> int:
        """How much of it is text of its own."""
        return len("".join(re.sub(_TAG, "", self.text).split()))

    def values(self, rendered: str) -> list[str] | None:
        """What its tags stand for in a line that it renders; None for a line that it cannot render."""
        first, *literals = re.split(_TAG, self.text.strip())
        rest = rendered.strip()
        if not literals:
            return [] if first == rest else None
        if not rest.startswith(first):
            return None
        rest = rest[len(first) :]
        found = []
        for literal in literals[:-1]:
            value, literal_found, rest = rest.partition(literal) if literal else ("", "", rest)
            if literal and not literal_found:
                return None
            found.append(value)
        if not rest.endswith(literals[-1]):
            return None
        return [*found, rest.removesuffix(literals[-1])]

    def where(self, prompt: PromptSource) -> str:
        """Where it stands: known of a template, looked for in what is no template."""
        location = prompt.location
        if self.file is not None or location is None:
            return f"{self.file}:{self.number + 1}"
        if prompt.source_map:
            before = sum(map(len, prompt.text.splitlines(keepends=True)[: self.number]))
            position = position_at(prompt.source_map, before)
            return f"{location.path}:{position[0]}" if position else str(location)
        try:
            lines = read_text_bounded(location.path, MAX_BYTES).splitlines()
        except (OSError, UnicodeDecodeError):
            return str(location)
        start, text = location.line - 1, self.text.strip()
        order = chain(range(start + self.number, len(lines)), range(start, start + self.number))
        match = next((at for at in order if at < len(lines) and text and text in lines[at]), None)
        return str(location) if match is None else f"{location.path}:{match + 1}"


def _template_lines(prompt: PromptSource) -> Iterator[_TemplateLine]:
    for file in (None, *template_dependencies(prompt).files):
        text = prompt.text if file is None else read_text_bounded(file, MAX_BYTES)
        yield from (_TemplateLine(line, number, file) for number, line in enumerate(text.splitlines()))


def _best_fit(lines: Sequence[_TemplateLine], rendered: str) -> _TemplateLine | None:
    """The line that renders so, with whatever its variables hold: the one with the most text of its own."""
    fits = [line for line in lines if line.weight and line.values(rendered) is not None]
    return max(fits, key=lambda line: line.weight, default=None)


def _most_similar(lines: Sequence[_TemplateLine], rendered: Sequence[str]) -> _TemplateLine | None:
    from difflib import SequenceMatcher  # lazy, as below: only for a prompt that changed

    if not rendered:
        return None

    def likeness(line: _TemplateLine) -> float:
        return SequenceMatcher(None, line.text.strip(), rendered[0].strip()).ratio()

    best = max(lines, key=likeness, default=None)
    return best if best is not None and likeness(best) >= _LIKE else None


def _changed_variable(line: _TemplateLine, was: str, now: str, agent: Agent) -> str:
    """The variable of this line whose value alone tells the two apart; empty where the line itself was changed."""
    before, after = line.values(was), line.values(now)
    for old, new, tag in zip(before or (), after or (), re.findall(_TAG, line.text), strict=False):
        if old != new:
            return next((name for name in re.findall(r"[A-Za-z_]\w*", tag) if name in agent.variables), "")
    return ""


def _variable_with(lines: Sequence[str], agent: Agent, inputs: ReplayInputs) -> str:
    """The variable whose value has the first of these lines as one of its own."""
    values = {name: inputs.variables.get(name, variable.default) for name, variable in agent.variables.items()}
    line = lines[0].strip() if lines else ""
    return next((name for name, value in values.items() if line and line in map(str.strip, str(value).split("\n"))), "")


def _variable_location(name: str, agent: Agent, inputs: ReplayInputs) -> str:
    """The line that gives the variable its value: of the script, of a suite file, or of the agent file."""
    given = inputs.variable_locations.get(name)
    if given is not None:
        return str(given.location)
    key = f"variables.{name}"
    return agent.location(key if key in agent.locations else "variables")


def _first_change(old: Sequence[str], new: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """The first changed line as it was and as it is, if it is; of one that is gone, the lines around its place."""
    from difflib import SequenceMatcher  # lazy: only for a prompt that changed

    for tag, start, stop, begin, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "delete":
            return old[start:stop], [*new[begin : begin + 1], *new[max(0, begin - 1) : begin]]
        if tag != "equal":
            return old[start:stop][:1], new[begin:end][:1]
    return (), ()


def tool_line(agent: Agent, names: Collection[str]) -> str:
    """The line of the agent file that names the first of these tools, or the one where its tools begin."""
    line = next((tool.where for tool in agent.tools if tool.name in names and tool.where), "")
    return line or agent.location("tools")
