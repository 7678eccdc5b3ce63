"""A conversation's events as one hash, which neither the clock nor chance nor the cut of the stream can change.

The result of a turn has its events in call order; left out here is what the engine itself takes from clock or chance:
how long things took, how long it waits before another attempt, and the time of day in an error's explanation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from runner.core.events import Event, Notice, TextDelta, ThinkingDelta
from runner.transcripts.expectations.turn_result import TurnResult
from runner.transcripts.fingerprint import canonical_json, digest


def events_hash(turns: Iterable[TurnResult]) -> str:
    """A digest of the events of the turns; equal for two runs in which the same happened."""
    return digest(canonical_json([event for result in turns for event in _events(result)]))


def _events(result: TurnResult) -> Iterator[dict[str, Any]]:
    streamed: dict[str, Any] = {}
    for event in result.events:
        shown = _without_time(event)
        if isinstance(event, TextDelta | ThinkingDelta):
            if streamed.get("type") == shown["type"]:
                streamed["delta"] += event.text
                continue
            if streamed:
                yield streamed
            streamed = shown
            continue
        if streamed:
            yield streamed
            streamed = {}
        yield shown
    if streamed:
        yield streamed
    if result.error is not None:
        yield {key: text for key, text in result.error.to_dict().items() if key not in ("why", "fix")}


def _without_time(event: Event) -> dict[str, Any]:
    shown = event.to_dict()
    shown.pop("seconds", None)
    if isinstance(event, Notice) and event.kind == "retry":
        del shown["text"]  # which tells the seconds once more
    return shown
