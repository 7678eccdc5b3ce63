"""What the engine did along the way, how the turn ended, and the exit code it would give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runner.core.events import Event, Notice
from runner.transcripts.expectations import Facts, Judged, Kind


def event_name(event: Event) -> str:
    """A notice's kind, any other event's type."""
    return event.kind if isinstance(event, Notice) else str(event.to_dict()["type"])


def _events(wanted: Sequence[str], facts: Facts, normalize: tuple[str, ...]) -> Judged:
    names = [event_name(event) for event in facts.events]
    left = iter(names)
    missing = next((name for name in wanted if name not in left), "")
    shown = " ".join(name for name in names if name not in ("text", "thinking"))
    return Judged.unless(f"no {missing} where it was wanted" if missing else "", f"+{shown}")


def _finish(wanted: str | Sequence[str], facts: Facts, normalize: tuple[str, ...]) -> Judged:
    wishes = [wanted] if isinstance(wanted, str) else wanted
    ends = [end for end in dict.fromkeys((facts.finish, facts.reason)) if end]
    good = any(end in wishes for end in ends)
    why = f"wanted {' or '.join(wishes)}, ended with {', '.join(ends) or 'nothing'}"
    return Judged.unless("" if good else why, actual=next(iter(ends), None))


def _exit(wanted: int, facts: Facts, normalize: tuple[str, ...]) -> Judged:
    got = facts.error.exit_code if facts.error is not None else 0
    why = f"wanted exit {wanted}, got {got}" + (f": {facts.error.what}" if facts.error is not None else "")
    return Judged.unless(why if got != wanted else "", actual=got)


_FINISH: Mapping[str, Any] = {"type": "string", "minLength": 1}

KINDS: Mapping[str, Kind] = {
    "events": Kind(
        {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "minLength": 1},
            "description": "Events or notices that must occur, in this order, others between them: "
            "retry, fallback, truncated, evicted, tool_call …",
        },
        _events,
    ),
    "finish": Kind(
        {
            "description": "How the last reply finished (stop, length, …) or the turn ended (answered, truncated, …).",
            "anyOf": [_FINISH, {"type": "array", "minItems": 1, "items": _FINISH}],
        },
        _finish,
    ),
    "exit": Kind(
        {"type": "integer", "minimum": 0, "description": "The exit code that the turn alone would give."}, _exit
    ),
}
