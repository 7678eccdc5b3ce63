"""The result of a turn, which expectations are evaluated on: made of its events, or of all turns of a conversation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from runner.core.errors import AgentRunError
from runner.core.events import Event, Notice, Replied, TextDelta, ToolFinished, ToolStarted, TurnEnded
from runner.core.messages import ToolCall, ToolResult, Usage
from runner.gateways import Request


class ActualCall(NamedTuple):
    """A tool call that the model made and its result; `batch` is the number of the reply that made it, from 1."""

    name: str
    arguments: Mapping[str, Any] | None
    raw: str
    batch: int
    returned: Any = None
    failed: bool = False


class TurnResult(NamedTuple):
    """What happened in one turn, or in all turns of a conversation; a Python check gets it as `facts`.

    `first_token_ms` and `total_ms` are None in a replay: times exist only live. `folder` is the transcript's.
    """

    text: str = ""
    calls: tuple[ActualCall, ...] = ()
    events: tuple[Event, ...] = ()
    requests: tuple[Request, ...] = ()
    finish: str = ""
    reason: str = ""
    error: AgentRunError | None = None
    usage: Usage = Usage()
    cost_usd: float | None = None
    first_token_ms: float | None = None
    total_ms: float | None = None
    live: bool = False
    trusted: bool = False
    folder: Path = Path()


def turn_result(
    events: Sequence[Event], requests: Sequence[Request], error: AgentRunError | None, folder: Path, trusted: bool
) -> TurnResult:
    """The result of the turn with these events, results of tools that ran side by side in call order; no times."""
    events = in_call_order(events)
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
    calls = tuple(_actual_call(call, batch, results.get(call.id)) for call, batch in started)
    return TurnResult(
        text,
        calls,
        tuple(events),
        tuple(requests),
        finish,
        reason,
        error,
        usage,
        cost,
        trusted=trusted,
        folder=folder,
    )


def in_call_order(events: Sequence[Event]) -> Sequence[Event]:
    """The events, those of the tools of one reply in the order of their calls: which is done first is chance.

    What a tool tells the user stays with the result that it stands before.
    """
    if sum(type(event) is ToolFinished for event in events) < 2:
        return events
    order: dict[str, int] = {}
    done: list[tuple[int, list[Event]]] = []
    ordered: list[Event] = []
    texts: list[Event] = []

    def flush() -> None:
        if done or texts:
            ordered.extend(event for _, group in sorted(done, key=itemgetter(0)) for event in group)
            ordered.extend(texts)
            done.clear()
            texts.clear()

    for event in events:
        if isinstance(event, ToolFinished) and event.ran:
            done.append((order.get(event.result.call_id, len(order)), [*texts, event]))
            texts.clear()
        elif isinstance(event, Notice) and event.kind == "tool":
            texts.append(event)
        else:
            flush()
            if isinstance(event, ToolStarted):
                order[event.call.id] = len(order)
            ordered.append(event)
    flush()
    return ordered


def conversation_result(turns: Sequence[TurnResult]) -> TurnResult:
    """The last turn's text and end, and the calls, events, requests, usage, cost and time of all turns."""
    last = turns[-1]
    costs = [turn.cost_usd for turn in turns if turn.cost_usd is not None]
    times = [turn.total_ms for turn in turns if turn.total_ms is not None]
    usage = Usage()
    for turn in turns:
        usage += turn.usage
    return TurnResult(
        last.text,
        tuple(call for turn in turns for call in turn.calls),
        tuple(event for turn in turns for event in turn.events),
        tuple(request for turn in turns for request in turn.requests),
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


def redacted_result(result: TurnResult, redact: Callable[[Any], Any]) -> TurnResult:
    """A live result as its recording has it, so that both are judged alike: no secret in its text and its calls."""
    calls = tuple(
        call._replace(
            arguments=None if call.arguments is None else redact(call.arguments),
            raw=redact(call.raw),
            returned=redact(call.returned),
        )
        for call in result.calls
    )
    return result._replace(text=redact(result.text), calls=calls)


def _actual_call(call: ToolCall, batch: int, result: ToolResult | None) -> ActualCall:
    if result is None:
        return ActualCall(call.name, call.arguments, call.raw, batch)
    return ActualCall(call.name, call.arguments, call.raw, batch, result.output, result.failed)
