"""Which line of which file a change of the prompt or of a tool comes from."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from runner.config.agent import Agent
from runner.config.text_file import MAX_BYTES
from runner.core.files import read_text_bounded
from runner.transcripts.model import Transcript


def option_line(agent: Agent, changed: Sequence[str], route: int = 1) -> str:
    """The line that sets the first of the changed options, which are paths into what is sent."""
    if route > 1:
        return agent.location("fallback")
    key = changed[0].partition(".")[0] if changed else ""
    elsewhere = {"tool_choice": "tool_choice", "schema": "reply"}
    return agent.location(elsewhere.get(key, f"options.{key}" if f"options.{key}" in agent.locations else "options"))


def prompt_line(agent: Agent, transcript: Transcript, old: str, new: str) -> str:
    """The line of the agent file (or of the prompt's own file) that gives the first changed line of the prompt."""
    location = agent.system_prompt.location
    if location is None:
        return agent.location("system_prompt")
    template = agent.system_prompt.text.splitlines()
    rendered = new.splitlines()
    changed = _first_change(old.splitlines(), rendered)
    index = changed if len(template) == len(rendered) else _most_similar(template, rendered[changed : changed + 1])
    if index >= len(template):
        return str(location)
    template_line = template[index].strip()
    try:
        lines = read_text_bounded(location.path, MAX_BYTES).splitlines()
    except (OSError, UnicodeDecodeError):
        return str(location)
    start = location.line - 1
    order = [*range(start + index, len(lines)), *range(start, start + index)]
    match = next((at for at in order if at < len(lines) and template_line and template_line in lines[at]), None)
    return str(location) if match is None else f"{location.path}:{match + 1}"


def _first_change(old: Sequence[str], new: Sequence[str]) -> int:
    from difflib import SequenceMatcher  # lazy, as below: only for a prompt that changed

    changes = (
        start for tag, _, _, start, _ in SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if tag != "equal"
    )
    return next(changes, 0)


def _most_similar(template: Sequence[str], rendered: Sequence[str]) -> int:
    """The index of the template's line that is most like the first rendered one; past the end if there is none."""
    from difflib import SequenceMatcher  # lazy, as above

    if not rendered or not template:
        return len(template)
    scores = [SequenceMatcher(None, line, rendered[0]).ratio() for line in template]
    return max(range(len(template)), key=scores.__getitem__)


def tool_line(agent: Agent, names: Collection[str]) -> str:
    """The line of the agent file that names the first of these tools, or the one where its tools begin."""
    line = next((tool.where for tool in agent.tools if tool.name in names and tool.where), "")
    return line or agent.location("tools")
