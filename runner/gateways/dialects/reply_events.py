"""What servers send, taken for what it should be: JSON objects out of events, and fields of the expected type."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from runner.core.chunks import Chunk
from runner.core.errors import ProtocolBroken
from runner.core.sanitize import replace_surrogates
from runner.gateways.http.errors import Scene, cut_off
from runner.gateways.http.sse import EventLines

_DONE = b"[DONE]"
_SHOWN = 200
_scan = json.JSONDecoder().raw_decode


class Pairs:
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

    def rest(self) -> str:
        """What a half that found no partner becomes."""
        half, self._half = self._half, ""
        return replace_surrogates(half)


class EventDecoder(ABC):
    """What the decoders of JSON events share: when a reply is complete, and what a missing terminator means."""

    def __init__(self, scene: Scene = Scene()) -> None:
        self.events = 0
        self.complete = False
        self.ended = False
        self._scene = scene
        self._lines = EventLines()
        self._count = 0

    def feed(self, data: bytes) -> Iterator[Chunk]:
        for _, payload in self._lines.feed(data):
            if payload != _DONE:
                self._count += 1
                yield from self._taken(parsed(payload, self._scene, f"event {self._count}"))
                if self.ended:
                    return

    def end(self) -> Iterator[Chunk]:
        for _, payload in self._lines.end():
            if (event := unbroken(payload, self._scene)) is not None:
                yield from self._taken(event)
        if self.complete and not self.ended:
            yield from self._done()
        elif self.events and not self.complete:
            raise cut_off(self._scene, self.events)

    @abstractmethod
    def _taken(self, event: dict[str, Any]) -> Iterator[Chunk]:
        """The chunks of one event, which counts in `events` if it is one of the dialect's."""

    def _done(self) -> Iterator[Chunk]:
        """The last chunks where the bytes end after the terminator; none where its own event gives them."""
        yield from ()


def parsed(payload: bytes, scene: Scene, what: str = "the reply") -> dict[str, Any]:
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
        f"{scene.name} sent what is no JSON object",
        why=f"{what}: {why}: {text[:_SHOWN]}",
        fix="try again; if it stays, the server or something on the way to it is broken",
    )


def unbroken(payload: bytes, scene: Scene) -> dict[str, Any] | None:
    """The JSON object that the bytes are, or None: for what stands last and may be cut."""
    try:
        return parsed(payload, scene)
    except ProtocolBroken:
        return None


def an_object(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; none where there is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def a_text(value: Any) -> str:
    """The value if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def a_count(value: Any) -> int:
    """The value if it is a whole number, else 0."""
    return value if type(value) is int else 0
