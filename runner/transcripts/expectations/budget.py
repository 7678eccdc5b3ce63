"""What a turn, or in `finally` the conversation, may cost: counts come from the recording, times exist only live."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from runner.core.events import Replied
from runner.transcripts.expectations import Facts, Judged, Kind

_MEASURES: Mapping[str, Callable[[Facts], float | None]] = {
    "calls": lambda facts: len(facts.requests),
    "tool_calls": lambda facts: len(facts.calls),
    "in_tokens": lambda facts: _counted(facts, facts.usage.input_tokens),
    "out_tokens": lambda facts: _counted(facts, facts.usage.output_tokens),
    "cost_usd": lambda facts: facts.cost_usd,
    "first_token_ms": lambda facts: facts.first_token_ms,
    "total_ms": lambda facts: facts.total_ms,
}


def _budget(wanted: Mapping[str, Any], facts: Facts, normalize: tuple[str, ...]) -> Judged:
    ((key, most),) = wanted.items()
    spent = _MEASURES[key](facts)
    if spent is None:
        return Judged("not_run", f"{key}: {_unknown(key, facts)}")
    return Judged.unless(f"{key}: {spent:g} is more than {most:g}" if spent > most else "")


def _counted(facts: Facts, tokens: int) -> int | None:
    """Tokens, unless no reply says how many."""
    return (
        tokens
        if tokens or any(isinstance(event, Replied) and event.usage.total_tokens for event in facts.events)
        else None
    )


def _unknown(key: str, facts: Facts) -> str:
    if key.endswith("_ms"):
        return "times exist only live"
    return "no price is known for this model" if key == "cost_usd" else "the replies do not say"


KINDS: Mapping[str, Kind] = {
    "budget": Kind(
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
    )
}
