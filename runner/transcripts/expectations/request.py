"""What the engine sent to the model: its last request of the turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.transcripts.expectations import Facts, Judged, Kind
from runner.transcripts.expectations.matchers import differences, problem


def _request(wanted: Mapping[str, Any], facts: Facts, normalize: tuple[str, ...]) -> Judged:
    if not facts.requests:
        return Judged("fail", "nothing was sent")
    sent = facts.requests[-1]
    actual = {
        "model": sent.model,
        "system": sent.system.strip(),
        "tools": [spec.name for spec in sent.tools],
        "options": dict(sent.options),
        "messages": len(sent.messages),
    }
    wrong = [line for key, wish in wanted.items() for line in differences(_trimmed(wish), actual[key], f"$.{key}")]
    return Judged.unless("the request is not as wanted" if wrong else "", "\n".join(f"!{line}" for line in wrong))


def _trimmed(wish: Any) -> Any:
    return wish.strip() if isinstance(wish, str) else wish


def _problem(wanted: Mapping[str, Any]) -> str:
    return next((f"{key}: {wrong}" for key, wish in wanted.items() if (wrong := problem(wish))), "")


KINDS: Mapping[str, Kind] = {
    "request": Kind(
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
    )
}
