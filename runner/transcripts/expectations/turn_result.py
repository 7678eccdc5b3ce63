"""A turn's events as the facts that expectations judge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runner.core.errors import AgentRunError
from runner.core.events import Event, Replied, TextDelta, ToolFinished, ToolStarted, TurnEnded
from runner.core.messages import ToolCall, ToolResult, Usage
from runner.gateways import Request
from runner.transcripts.expectations import Called, Facts


def facts_of(
    events: Sequence[Event], requests: Sequence[Request], error: AgentRunError | None, folder: Path, trusted: bool
) -> Facts:
    """What the events of one turn say."""
    text, finish, reason = "", "", ""
    pieces: list[str] = []
    started: list[tuple[ToolCall, int]] = []
    results: dict[str, ToolResult] = {}
    replies = 0
    usage, cost = Usage(), None
    for event in events:
        kind = type(event)
        if kind is TextDelta:
            pieces.append(event.text)  # type: ignore[union-attr]
        elif isinstance(event, Replied):
            replies += 1
            text, finish = event.text, event.finish_reason
            pieces.clear()
        elif isinstance(event, ToolStarted):
            started.append((event.call, replies))
        elif isinstance(event, ToolFinished):
            results[event.result.call_id] = event.result
        elif isinstance(event, TurnEnded):
            reason, usage, cost = event.reason, event.usage, event.cost_usd
    if pieces:  # of a reply that broke off
        text, finish = "".join(pieces), reason
    calls = tuple(_called(call, batch, results.get(call.id)) for call, batch in started)
    sent = tuple(requests)
    return Facts(text, calls, tuple(events), sent, finish, reason, error, usage, cost, trusted=trusted, folder=folder)


def summed(turns: Sequence[Facts]) -> Facts:
    """The facts of the whole conversation: the last turn's text, and everything of all turns."""
    last = turns[-1]
    costs = [each.cost_usd for each in turns if each.cost_usd is not None]
    times = [each.total_ms for each in turns if each.total_ms is not None]
    usage = Usage()
    for each in turns:
        usage += each.usage
    return Facts(
        last.text,
        tuple(call for each in turns for call in each.calls),
        tuple(event for each in turns for event in each.events),
        tuple(request for each in turns for request in each.requests),
        last.finish,
        last.reason,
        last.error,
        usage,
        sum(costs) if costs else None,
        turns[0].first_token_ms,
        sum(times) if times else None,
        last.live,
        last.trusted,
        last.folder,
    )


def _called(call: ToolCall, batch: int, result: ToolResult | None) -> Called:
    if result is None:
        return Called(call.name, call.arguments, call.raw, batch)
    return Called(call.name, call.arguments, call.raw, batch, result.output, result.failed)
