"""The expectations `events`, `finish` and `exit`: the engine's events, how the turn ended, its exit code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runner.core.events import Event, Notice
from runner.transcripts.expectations import ExpectationKind, Result
from runner.transcripts.expectations.turn_result import TurnResult


def event_name(event: Event) -> str:
    """A notice's kind, any other event's type."""
    return event.kind if isinstance(event, Notice) else str(event.to_dict()["type"])


def _events(expected: Sequence[str], turn: TurnResult, normalize: tuple[str, ...]) -> Result:
    names = [event_name(event) for event in turn.events]
    remaining = iter(names)  # `in` consumes it up to the name, so that the order counts
    missing = next((name for name in expected if name not in remaining), "")
    shown = " ".join(name for name in names if name not in ("text", "thinking"))
    return Result.unless(f"no {missing} where it was wanted" if missing else "", f"+{shown}")


def _finish(expected: str | Sequence[str], turn: TurnResult, normalize: tuple[str, ...]) -> Result:
    finishes = [expected] if isinstance(expected, str) else expected
    ends = [end for end in dict.fromkeys((turn.finish, turn.reason)) if end]
    matches = any(end in finishes for end in ends)
    why = f"wanted {' or '.join(finishes)}, ended with {', '.join(ends) or 'nothing'}"
    return Result.unless("" if matches else why, actual=next(iter(ends), None))


def _exit(expected: int, turn: TurnResult, normalize: tuple[str, ...]) -> Result:
    code = turn.error.exit_code if turn.error is not None else 0
    why = f"wanted exit {expected}, got {code}" + (f": {turn.error.what}" if turn.error is not None else "")
    return Result.unless(why if code != expected else "", actual=code)


_FINISH: Mapping[str, Any] = {"type": "string", "minLength": 1}

KINDS: Mapping[str, ExpectationKind] = {
    "events": ExpectationKind(
        {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "minLength": 1},
            "description": "Events or notices that must occur, in this order, others between them: "
            "retry, fallback, truncated, evicted, tool_call …",
        },
        _events,
    ),
    "finish": ExpectationKind(
        {
            "description": "How the last reply finished (stop, length, …) or the turn ended (answered, truncated, …).",
            "anyOf": [_FINISH, {"type": "array", "minItems": 1, "items": _FINISH}],
        },
        _finish,
    ),
    "exit": ExpectationKind(
        {"type": "integer", "minimum": 0, "description": "The exit code that the turn alone would give."},
        _exit,
        expects_errors=True,
    ),
}
