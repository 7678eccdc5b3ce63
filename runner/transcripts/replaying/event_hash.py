"""A conversation's events as one hash, which neither the clock nor the cut of the stream can change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from runner.core.events import TextDelta
from runner.transcripts.expectations import Facts
from runner.transcripts.fingerprint import canonical_json, digest


def trace(turns: Iterable[Facts]) -> str:
    """Equal for two runs in which the same happened."""
    return digest(canonical_json([event for facts in turns for event in _events(facts)]))


def _events(facts: Facts) -> Iterator[dict[str, Any]]:
    text = ""
    for event in facts.events:
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
    if facts.error is not None:
        yield facts.error.to_dict()
