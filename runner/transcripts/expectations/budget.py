"""The expectation `budget`: limits of a turn, or in `finally` of the conversation, on counts, cost and time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from runner.core.events import Replied
from runner.transcripts.expectations import ExpectationKind, Result
from runner.transcripts.expectations.turn_result import TurnResult

_MOST = 1_000_000_000
_MEASURES: Mapping[str, Callable[[TurnResult], float | None]] = {
    "calls": lambda turn: len(turn.requests),
    "tool_calls": lambda turn: len(turn.calls),
    "in_tokens": lambda turn: _tokens(turn, turn.usage.input_tokens),
    "out_tokens": lambda turn: _tokens(turn, turn.usage.output_tokens),
    "cost_usd": lambda turn: turn.cost_usd,
    "first_token_ms": lambda turn: turn.first_token_ms,
    "total_ms": lambda turn: turn.total_ms,
}


def _budget(expected: Mapping[str, Any], turn: TurnResult, normalize: tuple[str, ...]) -> Result:
    """All limits are kept; one that is exceeded decides, also where another cannot be judged."""
    exceeded, unknown = [], []
    for key, limit in expected.items():
        used = _MEASURES[key](turn)
        if used is None:
            unknown.append(f"{key}: {_why_unknown(key)}")
        elif used > limit:
            exceeded.append(f"{key}: {_shown(used)} is more than {_shown(limit)}")
    if exceeded or not unknown:
        return Result.unless("; ".join(exceeded))
    return Result("not_run", "; ".join(unknown))


def _is_unlimited(expected: Mapping[str, Any], normalize: tuple[str, ...]) -> bool:
    """No turn can use so much."""
    return all(limit >= _MOST for limit in expected.values())


def _shown(number: float) -> str:
    return f"{number:g}" if isinstance(number, float) else str(number)


def _tokens(turn: TurnResult, tokens: int) -> int | None:
    """The tokens; None if no reply says how many."""
    return (
        tokens
        if tokens or any(isinstance(event, Replied) and event.usage.total_tokens for event in turn.events)
        else None
    )


def _why_unknown(key: str) -> str:
    if key.endswith("_ms"):
        return "times exist only live"
    return "no price is known for this model" if key == "cost_usd" else "the replies do not say"


KINDS: Mapping[str, ExpectationKind] = {
    "budget": ExpectationKind(
        {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": False,
            "description": "The most that may be spent.",
            "properties": {
                "calls": {"type": "integer", "minimum": 0, "description": "Requests to the model."},
                "tool_calls": {"type": "integer", "minimum": 0, "description": "Tool calls."},
                "in_tokens": {"type": "integer", "minimum": 0, "description": "Tokens of all prompts."},
                "out_tokens": {"type": "integer", "minimum": 0, "description": "Tokens of all replies."},
                "cost_usd": {"type": "number", "minimum": 0, "description": "US dollars."},
                "first_token_ms": {"type": "number", "minimum": 0, "description": "Milliseconds; live only."},
                "total_ms": {"type": "number", "minimum": 0, "description": "Milliseconds; live only."},
            },
        },
        _budget,
        always_holds=_is_unlimited,
        one_per_key=True,
    )
}
