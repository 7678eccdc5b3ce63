"""The expectations `events`, `finish` and `exit`: the engine's events, how the turn ended, its exit code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from runner.core.errors import AgentRunError
from runner.core.events import Event, Notice, NoticeKind, TurnReason
from runner.core.messages import FinishReason
from runner.transcripts.expectations import ExpectationKind, Result
from runner.transcripts.expectations.turn_result import TurnResult

EVENT_TYPES = ("user", "text", "thinking", "reply", "tool_call", "tool_result", "turn", "error")
"""The types of a turn's events besides notices, which are named by their kind; `error` ends a turn that failed."""


def event_name(event: Event) -> str:
    """A notice's kind, any other event's type."""
    return event.kind if isinstance(event, Notice) else str(event.to_dict()["type"])


def _events(expected: Sequence[str], turn: TurnResult, normalize: tuple[str, ...]) -> Result:
    names = [*map(event_name, turn.events), *(["error"] if turn.error is not None else [])]
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


def _cannot_end_so(expected: int, normalize: tuple[str, ...]) -> bool:
    """No error of a turn has this exit code."""
    return expected not in _exit_codes(AgentRunError)


def _exit_codes(error: type[AgentRunError]) -> set[int]:
    return {0, error.exit_code}.union(*map(_exit_codes, error.__subclasses__()))


def _words(*literals: Any) -> list[str]:
    """All words of the closed lists, each once."""
    words = (word for literal in literals for word in get_args(literal))
    return list(dict.fromkeys(each for word in words for each in (get_args(word) or (word,))))


_FINISH: Mapping[str, Any] = {"enum": _words(FinishReason, TurnReason)}

KINDS: Mapping[str, ExpectationKind] = {
    "events": ExpectationKind(
        {
            "type": "array",
            "minItems": 1,
            "items": {"enum": [*EVENT_TYPES, *_words(NoticeKind)]},
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
        never_holds=_cannot_end_so,
        expects_errors=True,
    ),
}
