"""The expectation `request`: what the engine sent to the model in the last request of the turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.transcripts.expectations import ExpectationKind, Result
from runner.transcripts.expectations.matchers import differences, problem
from runner.transcripts.expectations.turn_result import TurnResult
from runner.transcripts.expectations.vacuity import COUNT, always_matches, never_matches

_TYPES: Mapping[str, frozenset[str]] = {
    "model": frozenset({"string"}),
    "system": frozenset({"string"}),
    "tools": frozenset({"array"}),
    "options": frozenset({"object"}),
    "messages": COUNT,
}


def _request(expected: Mapping[str, Any], turn: TurnResult, normalize: tuple[str, ...]) -> Result:
    if not turn.requests:
        return Result("fail", "nothing was sent")
    sent = turn.requests[-1]
    actual = {
        "model": sent.model,
        "system": sent.system.strip(),
        "tools": [spec.name for spec in sent.tools],
        "options": dict(sent.options),
        "messages": len(sent.messages),
    }
    lines = [line for key, value in expected.items() for line in differences(_stripped(value), actual[key], f"$.{key}")]
    return Result.unless("the request is not as wanted" if lines else "", "\n".join(f"!{line}" for line in lines))


def _fits_every_request(expected: Mapping[str, Any], normalize: tuple[str, ...]) -> bool:
    return all(always_matches(_stripped(value), _TYPES[key]) for key, value in expected.items())


def _fits_no_request(expected: Mapping[str, Any], normalize: tuple[str, ...]) -> bool:
    return any(never_matches(value, _TYPES[key]) for key, value in expected.items())


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _problem(expected: Mapping[str, Any]) -> str:
    return next((f"{key}: {text}" for key, value in expected.items() if (text := problem(value))), "")


KINDS: Mapping[str, ExpectationKind] = {
    "request": ExpectationKind(
        {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": False,
            "description": "What the engine sent in its last request of the turn; every value may be a matcher.",
            "properties": {
                "model": {"description": "The model's name."},
                "system": {"description": "The rendered system prompt."},
                "tools": {"description": "The names of the tools, in their order."},
                "options": {"description": "The options that were set."},
                "messages": {"description": "How many messages were sent."},
            },
        },
        _request,
        _problem,
        _fits_every_request,
        _fits_no_request,
        about_requests=True,
    )
}
