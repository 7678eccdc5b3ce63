"""Whether a recording still shows what the agent sends: by parts, with a text diff and the source line of each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from runner.config.agent import Agent
from runner.core.messages import ToolSpec
from runner.transcripts.conversation.closed_entries import entry_changes
from runner.transcripts.conversation.run_context import ReplayedEntries, declared_models
from runner.transcripts.expectations.matchers import json_line
from runner.transcripts.fingerprint import RequestHasher, fold_line_ends, property_order, schema_text, sent_options
from runner.transcripts.model import Component, LazyLocation, RecordedRequest, Recording, Transcript
from runner.transcripts.outcome import Change
from runner.transcripts.redaction import Redactor
from runner.transcripts.replaying.part_diffs import option_lines, text_lines, tool_lines
from runner.transcripts.replaying.recorded_gateway import ServedReply
from runner.transcripts.replaying.source_line import option_line, prompt_line, tool_line


class SentRequests(NamedTuple):
    """What a replay sent, to be held against its recording: the requests served, by whom and of what they were made."""

    recording: Recording
    served: Sequence[ServedReply]
    transcript: Transcript
    agent: Agent
    entries: ReplayedEntries
    hasher: RequestHasher
    redactor: Redactor


class _Comparison(NamedTuple):
    """What was recorded, and the first reply whose request differs from it."""

    recorded: RecordedRequest
    reply: ServedReply
    sent: SentRequests


class _Difference(NamedTuple):
    """How a part differs: the line it comes from, as FILE:LINE, and the lines of its diff."""

    source_line: str
    diff: Iterable[str]


def find_changes(sent: SentRequests) -> Iterator[Change]:
    """Every part that changed since the recording, at the first reply that shows it; nothing for a hand-written one."""
    recorded = sent.recording.request
    if recorded is None or not sent.served:
        return
    first = next((reply for reply in sent.served if reply.has_changed), None)
    if first is not None:
        yield from _hashed_changes(_Comparison(_recorded_for(first, sent.recording, recorded), first, sent))
    changed = first is not None and first.stamp["tools"] != recorded.stamp.get("tools")
    for where, diff in (*_entry_differences(sent), *(() if changed else _order_differences(sent, recorded))):
        yield _change("tools", sent.served[0], where, diff, sent)
    if difference := _route_difference(sent):
        yield _change("options", sent.served[0], difference.source_line, "\n".join(difference.diff), sent)


def _hashed_changes(comparison: _Comparison) -> Iterator[Change]:
    recorded, first, sent = comparison
    for part, compare in _COMPARE.items():
        if first.stamp[part] != recorded.stamp.get(part):
            source_line, lines = compare(comparison)
            diff = "\n".join(lines) or "!it reads the same: only its recorded hash differs"
            yield _change(part, first, source_line, diff, sent)
    stamps = {
        route: _recorded_stamp(route, sent.recording, recorded) for route in {reply.route for reply in sent.served}
    }
    other = next(
        (reply for reply in sent.served if sent.hasher.seen(reply.request, stamps[reply.route]) != reply.reply.seen),
        None,
    )
    if other is not None:
        yield _change("messages", other, "", sent.redactor(_message_diff(other)), sent)


def _change(part: Component, reply: ServedReply, source_line: str, diff: str, sent: SentRequests) -> Change:
    locations: Mapping[str, LazyLocation] = {turn.id: turn for turn in sent.transcript.turns}
    warns = sent.transcript.stale.get(part) == "warn"
    return Change(part, reply.turn, reply.number, locations[reply.turn].location, source_line, diff, warns)


def _recorded_stamp(route: int, recording: Recording, recorded: RecordedRequest) -> Mapping[str, str]:
    """The recorded hashes of the requests to a route; the first route's stand in the request itself."""
    routes = recording.routes
    return routes[route - 1].stamp if 1 < route <= len(routes) and routes[route - 1].stamp else recorded.stamp


def _recorded_for(reply: ServedReply, recording: Recording, recorded: RecordedRequest) -> RecordedRequest:
    """What was recorded of requests like this reply's: a fallback has options and hashes of its own."""
    stamp = _recorded_stamp(reply.route, recording, recorded)
    if stamp is recorded.stamp:
        return recorded
    return recorded._replace(stamp=stamp, options=recording.routes[reply.route - 1].options)


def _entry_differences(sent: SentRequests) -> Iterator[tuple[str, str]]:
    for change in entry_changes(tuple(sent.entries.closed.values()), sent.recording):
        yield change.where, sent.redactor(change.diff)


def _order_differences(sent: SentRequests, recorded: RecordedRequest) -> Iterator[tuple[str, str]]:
    """Parameters in another order: the model sees it, and the hash of a tool does not tell it."""
    for spec in sent.entries.toolbox.specs:
        tool = recorded.tools.get(spec.name)
        if tool is not None and (tool.schema or tool.load_schema) and _is_reordered(spec, tool.schema_text):
            lines = tool_lines({spec.name: tool}, [spec], [spec.name], sent.redactor)
            yield tool_line(sent.agent, {spec.name}), "\n".join(lines)


def _is_reordered(spec: ToolSpec, recorded_text: Callable[[], str]) -> bool:
    try:
        recorded = json.loads(recorded_text())
    except ValueError:
        return False  # the hash tells all but the order
    return bool(property_order(recorded) != property_order(json.loads(schema_text(spec.parameters))))


def _route_difference(sent: SentRequests) -> _Difference | None:
    """The models that the agent would ask in turn, against those that were asked."""
    recorded = [route.model for route in sent.recording.routes]
    today = list(declared_models(sent.agent))[: len(recorded)]
    if recorded == today:
        return None
    lines = [f"-models, in turn: {', '.join(recorded)}", f"+models, in turn: {', '.join(today)}"]
    return _Difference(sent.agent.location("fallback" if recorded[0] == today[0] else "model"), lines)


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
    recorded, reply, sent = comparison
    old, new = fold_line_ends(recorded.system), fold_line_ends(sent.redactor(reply.request.system))
    return _Difference(prompt_line(sent.agent, sent.transcript.inputs, old, new), text_lines(old, new))


def _compare_tools(comparison: _Comparison) -> _Difference:
    recorded, reply, sent = comparison
    today = sent.hasher.tools(reply.request)
    before = {name: tool.digest for name, tool in recorded.tools.items()}
    altered = sorted(name for name in {**before, **today} if before.get(name) != today.get(name))
    lines = tool_lines(recorded.tools, reply.request.tools, altered, sent.redactor)
    return _Difference(tool_line(sent.agent, altered or today), lines)


def _compare_options(comparison: _Comparison) -> _Difference:
    recorded, reply, sent = comparison
    lines = list(option_lines(recorded.options, sent.redactor.value(sent_options(reply.request))))
    changed = [line[1:].partition(":")[0] for line in lines]
    return _Difference(option_line(sent.agent, changed, reply.route), lines)


_COMPARE: Mapping[Component, Callable[[_Comparison], _Difference]] = {
    "system": _compare_system,
    "tools": _compare_tools,
    "options": _compare_options,
}
