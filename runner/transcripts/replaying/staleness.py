"""Whether a recording still shows what the agent sends: by parts, with a text diff and the source line of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from runner.config.agent import Agent
from runner.transcripts.expectations.matchers import json_equal, json_line
from runner.transcripts.fingerprint import RequestHasher, fold_line_ends, sent_options, tool_signature
from runner.transcripts.model import Component, LazyLocation, RecordedRequest, Recording, Transcript
from runner.transcripts.outcome import Change
from runner.transcripts.redaction import Redactor
from runner.transcripts.replaying.recorded_gateway import ServedReply
from runner.transcripts.replaying.source_line import prompt_line, tool_line


class _Comparison(NamedTuple):
    """What was recorded, and the first reply whose request differs from it."""

    recorded: RecordedRequest
    reply: ServedReply
    agent: Agent
    hasher: RequestHasher
    redactor: Redactor


class _Difference(NamedTuple):
    """How a part differs: the line it comes from, as FILE:LINE, and the lines of its diff."""

    source_line: str
    diff: Iterable[str]


def find_changes(
    recording: Recording,
    served: Sequence[ServedReply],
    transcript: Transcript,
    agent: Agent,
    hasher: RequestHasher,
    redactor: Redactor,
) -> Iterator[Change]:
    """Every part that changed since the recording, at the first reply that shows it; nothing for a hand-written one."""
    recorded = recording.request
    first = next((reply for reply in served if reply.has_changed), None)
    if recorded is None or first is None:
        return
    locations: Mapping[str, LazyLocation] = {turn.id: turn for turn in transcript.turns}

    def change(part: Component, reply: ServedReply, source_line: str, diff: str) -> Change:
        warns = transcript.stale.get(part) == "warn"
        return Change(part, reply.turn, reply.number, locations[reply.turn].location, source_line, diff, warns)

    comparison = _Comparison(recorded, first, agent, hasher, redactor)
    for part, compare in _COMPARE.items():
        if first.stamp[part] != recorded.stamp.get(part):
            source_line, lines = compare(comparison)
            diff = "\n".join(lines) or "!it reads the same: only its recorded hash differs"
            yield change(part, first, source_line, diff)
    other = next((reply for reply in served if hasher.seen(reply.request, recorded.stamp) != reply.reply.seen), None)
    if other is not None:
        yield change("messages", other, "", redactor(_message_diff(other)))


def _message_diff(first: ServedReply) -> str:
    """The last messages of the request, since all before them were the same."""
    count = len(first.request.messages)
    message = first.request.messages[-1]
    if message.role == "user":
        text = json_line(message.text)
        return f"!message {count}, or the answer before it, is not what was recorded; the user says: {text}"
    results = ", ".join(f"{result.name} gave {json_line(result.output, 60)}" for result in message.results)
    return f"!messages {count - 1} and {count}, a reply and its results, are not what was recorded: {results}"


def _compare_system(comparison: _Comparison) -> _Difference:
    recorded, reply, agent, _, redactor = comparison
    old, new = fold_line_ends(recorded.system), fold_line_ends(redactor(reply.request.system))
    return _Difference(prompt_line(agent, old, new), _diff(old.splitlines(), new.splitlines()))


def _compare_tools(comparison: _Comparison) -> _Difference:
    recorded, reply, agent, hasher, redactor = comparison
    today = hasher.tools(reply.request)
    old = [f"{name}{tool.signature}: {tool.description}" for name, tool in recorded.tools.items()]
    specs = reply.request.tools
    new = [f"{spec.name}{tool_signature(spec)}: {redactor(spec.description)}" for spec in specs]
    lines = list(_diff(old, new))
    altered = {name for name in {**recorded.tools, **today} if _digest(recorded, name) != today.get(name)}
    for name in sorted(altered):
        if not any(f"{name}(" in line for line in lines):
            spec = next(spec for spec in specs if spec.name == name)
            lines.append(f"!{name}: its schema changed: {tool_signature(spec)}")
    return _Difference(tool_line(agent, altered), lines)


def _compare_options(comparison: _Comparison) -> _Difference:
    recorded, reply, agent, _, redactor = comparison
    lines = _option_lines(recorded.options, redactor.value(sent_options(reply.request)))
    return _Difference(agent.location("options"), lines)


def _option_lines(old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[str]:
    for key in dict.fromkeys((*old, *new)):
        if key not in new or key not in old or not json_equal(old[key], new[key]):
            if key in old:
                yield f"-{key}: {json_line(old[key])}"
            if key in new:
                yield f"+{key}: {json_line(new[key])}"


_COMPARE: Mapping[Component, Callable[[_Comparison], _Difference]] = {
    "system": _compare_system,
    "tools": _compare_tools,
    "options": _compare_options,
}


def _digest(recorded: RecordedRequest, name: str) -> str | None:
    tool = recorded.tools.get(name)
    return tool.digest if tool is not None else None


def _diff(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    """The changed lines with one line around them."""
    from difflib import unified_diff  # lazy: only what is stale is shown

    return (line for line in list(unified_diff(old, new, lineterm="", n=1))[2:] if not line.startswith("@@"))
