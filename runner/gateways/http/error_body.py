"""The codes and the message in the body of an error, in any of the shapes that servers use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

_LONGEST_MESSAGE = 10_000
_DEEPEST = 6


def read_error_body(payload: Any) -> tuple[tuple[str, ...], str]:
    """The codes and the message of an error that came as bytes, as text or as a JSON value."""
    value = _parsed(payload)
    if isinstance(value, str):
        return (), value[:_LONGEST_MESSAGE]
    codes: list[str] = []
    messages: list[str] = []
    for part in error_parts(value):
        if isinstance(part, str):
            messages.append(part)
            continue
        codes += [str(part[key]) for key in ("code", "type", "status") if isinstance(part.get(key), (str, int))]
        messages += [part[key] for key in ("message", "detail", "msg", "raw") if isinstance(part.get(key), str)]
        if "failed_generation" in part:
            codes.append("failed_generation")
    message = ": ".join(dict.fromkeys(message for message in messages if message))
    return tuple(dict.fromkeys(codes)), (message or _as_json(value))[:_LONGEST_MESSAGE]


def error_parts(payload: Any) -> Iterator[Any]:
    """The error object itself, found wherever servers put it, and the objects and texts that it wraps."""
    yield from _parts(_parsed(payload), 0)


def _parts(value: Any, depth: int) -> Iterator[Any]:
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for item in value[:3]:
            yield from _parts(item, depth + 1)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield value
        for key, inner in value.items():
            if "error" in key and isinstance(inner, dict | list | str):
                if key not in ("error", "errors", "innererror"):
                    yield key
                yield from _parts(inner, depth + 1)
            elif key in ("detail", "metadata") and isinstance(inner, dict | list):
                yield from _parts(inner, depth + 1)


def _parsed(payload: Any) -> Any:
    """What bytes or a text hold as JSON, or the text itself; any other value as it stands."""
    text = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else payload
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _as_json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "an error that is nested too deeply to be shown"
