"""A conversation's events as one hash, which neither the clock nor the cut of the stream can change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from runner.core.events import TextDelta
from runner.transcripts.expectations.turn_result import TurnResult
from runner.transcripts.fingerprint import canonical_json, digest


def events_hash(turns: Iterable[TurnResult]) -> str:
    """A digest of the events of the turns; equal for two runs in which the same happened."""
    return digest(canonical_json([event for result in turns for event in _events(result)]))


def _events(result: TurnResult) -> Iterator[dict[str, Any]]:
    text = ""
    for event in result.events:
        if isinstance(event, TextDelta):
            text += event.text
            continue
        if text:
            yield {"type": "text", "text": text}
            text = ""
        shown = event.to_dict()
        shown.pop("seconds", None)
        yield shown
    if text:
        yield {"type": "text", "text": text}
    if result.error is not None:
        yield result.error.to_dict()
