"""The JSON events of a reply: objects out of bytes, fields of the expected type, and a decoder that dialects share."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from runner.core.chunks import Chunk
from runner.core.errors import ProtocolBroken
from runner.core.sanitize import replace_surrogates
from runner.gateways.http.connection_errors import missing_terminator
from runner.gateways.http.error_context import ErrorContext
from runner.gateways.http.sse import SseParser

_DONE = b"[DONE]"
_SHOWN_CHARACTERS = 200
_scan = json.JSONDecoder().raw_decode


class SurrogateJoiner:
    """Joins surrogate pairs that were cut in two by a chunk's end, so that no half of one ever leaves."""

    def __init__(self) -> None:
        self._half = ""

    def join(self, text: str) -> str:
        """The text, with what was held back before it, and without a first half at its end."""
        if not self._half and text.isascii():
            return text
        text, self._half = self._half + text, ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return replace_surrogates(text)

    def flush(self) -> str:
        """What stands in for a half that found no partner."""
        half, self._half = self._half, ""
        return replace_surrogates(half)


class SseDecoder(ABC):
    """Decodes server-sent events that hold JSON: when a reply is complete, and what a missing terminator means."""

    def __init__(self, context: ErrorContext = ErrorContext()) -> None:
        self.events = 0
        self.complete = False
        self.ended = False
        self._context = context
        self._parser = SseParser()
        self._received = 0

    def feed(self, data: bytes) -> Iterator[Chunk]:
        for _, payload in self._parser.feed(data):
            if payload != _DONE:
                self._received += 1
                yield from self._on_event(parse_object(payload, self._context, f"event {self._received}"))
                if self.ended:
                    return

    def end(self) -> Iterator[Chunk]:
        for _, payload in self._parser.end():
            if (event := parse_object_if_whole(payload, self._context)) is not None:
                yield from self._on_event(event)
        if self.complete and not self.ended:
            yield from self._on_end()
        elif self.events and not self.complete:
            raise missing_terminator(self._context, self.events)

    @abstractmethod
    def _on_event(self, event: dict[str, Any]) -> Iterator[Chunk]:
        """The chunks of one event, which counts in `events` if it is one of the dialect's."""

    def _on_end(self) -> Iterator[Chunk]:
        """The last chunks where the bytes end after the terminator; none where its own event gives them."""
        yield from ()


def parse_object(payload: bytes, context: ErrorContext, what: str = "the reply") -> dict[str, Any]:
    """The JSON object that the bytes are. Raises ProtocolBroken."""
    text = payload.decode("utf-8", "replace").strip()
    try:
        value, end = _scan(text)  # json.loads costs half as much again
        if end < len(text):
            raise ValueError(f"more follows at character {end}")
        if isinstance(value, dict):
            return value
        why = f"it is a JSON {type(value).__name__}"
    except RecursionError:
        why = "it is nested too deeply"
    except ValueError as error:
        why = str(error)
    raise ProtocolBroken(
        f"{context.name} sent what is no JSON object",
        why=f"{what}: {why}: {text[:_SHOWN_CHARACTERS]}",
        fix="try again; if it stays, the server or something on the way to it is broken",
    )


def parse_object_if_whole(payload: bytes, context: ErrorContext) -> dict[str, Any] | None:
    """The JSON object that the bytes are, or None: for what comes last and may be cut."""
    try:
        return parse_object(payload, context)
    except ProtocolBroken:
        return None


def as_object(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; none where there is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def as_text(value: Any) -> str:
    """The value if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def as_count(value: Any) -> int:
    """The value if it is a whole number, else 0."""
    return value if type(value) is int else 0
