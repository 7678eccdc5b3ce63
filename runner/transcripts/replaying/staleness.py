"""Whether a recording still shows what the agent sends: by parts, with a text diff each and the line to blame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from runner.config.agent import Agent
from runner.transcripts.expectations.matchers import json_equal, json_line
from runner.transcripts.fingerprint import RequestHasher, fold_line_ends, sent_options, tool_signature
from runner.transcripts.model import Component, FailureLevel, LazyLocation, RecordedRequest, Recording
from runner.transcripts.outcome import Change
from runner.transcripts.redaction import Redactor
from runner.transcripts.replaying.recorded_gateway import ServedReply

_Teller = Callable[[RecordedRequest, ServedReply, Agent, RequestHasher, Redactor], tuple[str, Iterable[str]]]


def changes(
    recording: Recording,
    served: Sequence[ServedReply],
    agent: Agent,
    hasher: RequestHasher,
    redactor: Redactor,
    policy: Mapping[Component, FailureLevel],
    lazy_locations: Mapping[str, LazyLocation],
) -> tuple[Change, ...]:
    """Every part that changed since the recording, at the first reply that shows it; nothing for a hand-written one."""
    recorded = recording.request
    first = next((one for one in served if one.seen != one.reply.seen), None)
    if recorded is None or first is None:
        return ()
    found: list[tuple[Component, ServedReply, str, str]] = []
    for part, tell in _TELL.items():
        if first.stamp[part] != recorded.stamp.get(part):
            where, diff = tell(recorded, first, agent, hasher, redactor)
            found.append((part, first, where, "\n".join(diff) or "!it reads the same: only its recorded hash differs"))
    said = next((one for one in served if hasher.seen(one.request, recorded.stamp) != one.reply.seen), None)
    if said is not None:
        found.append(("messages", said, "", redactor(_message(said))))
    return tuple(
        Change(part, at.turn, at.number, lazy_locations[at.turn].location, where, diff, policy.get(part) == "warn")
        for part, at, where, diff in found
    )


def _message(first: ServedReply) -> str:
    """What was said last, since all before it was the same."""
    count = len(first.request.messages)
    message = first.request.messages[-1]
    if message.role == "user":
        text = json_line(message.text)
        return f"!message {count}, or the answer before it, is not what was recorded; the user says: {text}"
    results = ", ".join(f"{result.name} gave {json_line(result.output, 60)}" for result in message.results)
    return f"!messages {count - 1} and {count}, a reply and its results, are not what was recorded: {results}"


def _system(
    recorded: RecordedRequest, first: ServedReply, agent: Agent, hasher: RequestHasher, redactor: Redactor
) -> tuple[str, Iterable[str]]:
    old, new = fold_line_ends(recorded.system), fold_line_ends(redactor(first.request.system))
    return _prompt_line(agent, old, new), _diff(old.splitlines(), new.splitlines())


def _tools(
    recorded: RecordedRequest, first: ServedReply, agent: Agent, hasher: RequestHasher, redactor: Redactor
) -> tuple[str, Iterable[str]]:
    today = hasher.tools(first.request)
    old = [f"{name}{tool.signature}: {tool.description}" for name, tool in recorded.tools.items()]
    specs = first.request.tools
    new = [f"{spec.name}{tool_signature(spec)}: {redactor(spec.description)}" for spec in specs]
    lines = list(_diff(old, new))
    altered = {name for name in {**recorded.tools, **today} if _digest(recorded, name) != today.get(name)}
    for name in sorted(altered):
        if not any(f"{name}(" in line for line in lines):
            spec = next(spec for spec in specs if spec.name == name)
            lines.append(f"!{name}: its schema changed: {tool_signature(spec)}")
    return _tool_line(agent, altered), lines


def _options(
    recorded: RecordedRequest, first: ServedReply, agent: Agent, hasher: RequestHasher, redactor: Redactor
) -> tuple[str, Iterable[str]]:
    return agent.location("options"), _option_lines(recorded.options, redactor.value(sent_options(first.request)))


def _option_lines(old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[str]:
    for key in dict.fromkeys((*old, *new)):
        if key not in new or key not in old or not json_equal(old[key], new[key]):
            if key in old:
                yield f"-{key}: {json_line(old[key])}"
            if key in new:
                yield f"+{key}: {json_line(new[key])}"


_TELL: Mapping[Component, _Teller] = {"system": _system, "tools": _tools, "options": _options}


def _digest(recorded: RecordedRequest, name: str) -> str | None:
    tool = recorded.tools.get(name)
    return tool.digest if tool is not None else None


def _diff(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    """The changed lines with a little around them."""
    from difflib import unified_diff  # lazy: only what is stale is shown

    return (line for line in list(unified_diff(old, new, lineterm="", n=1))[2:] if not line.startswith("@@"))


def _prompt_line(agent: Agent, old: str, new: str) -> str:
    """The line of the agent file (or of the prompt's own file) that gives the first changed line of the prompt."""
    location = agent.system_prompt.location
    if location is None:
        return agent.location("system_prompt")
    template = agent.system_prompt.text.splitlines()
    rendered = new.splitlines()
    changed = _first_change(old.splitlines(), rendered)
    source = changed if len(template) == len(rendered) else _alike(template, rendered[changed : changed + 1])
    if source >= len(template):
        return str(location)
    wanted = template[source].strip()
    try:
        lines = location.path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return str(location)
    start = location.line - 1
    order = [*range(start + source, len(lines)), *range(start, start + source)]
    found = next((at for at in order if at < len(lines) and wanted and wanted in lines[at]), None)
    return str(location) if found is None else f"{location.path}:{found + 1}"


def _first_change(old: Sequence[str], new: Sequence[str]) -> int:
    from difflib import SequenceMatcher  # lazy, as above

    changes = (
        start for tag, _, _, start, _ in SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if tag != "equal"
    )
    return next(changes, 0)


def _alike(template: Sequence[str], rendered: Sequence[str]) -> int:
    """The template's line that looks most like a rendered one."""
    from difflib import SequenceMatcher  # lazy, as above

    if not rendered or not template:
        return len(template)
    scores = [SequenceMatcher(None, line, rendered[0]).ratio() for line in template]
    return max(range(len(template)), key=scores.__getitem__)


def _tool_line(agent: Agent, altered: Iterable[str]) -> str:
    names = set(altered)
    found = next((tool.where for tool in agent.tools if tool.name in names and tool.where), "")
    return found or agent.location("tools")
