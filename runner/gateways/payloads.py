"""What servers send, taken for what it should be: JSON objects out of events, and fields of the expected type."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from runner.core.errors import ProtocolBroken
from runner.core.messages import clean
from runner.gateways.failures import Scene
from runner.gateways.lines import EventLines

_DONE = b"[DONE]"
_SHOWN = 200


class Payloads:
    """The JSON objects of an event stream, in order."""

    def __init__(self, scene: Scene) -> None:
        self._count = 0
        self._scene = scene
        self._lines = EventLines()

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """The objects that `data` completes. Raises ProtocolBroken for what is no JSON object."""
        for _, payload in self._lines.feed(data):
            if payload != _DONE:
                self._count += 1
                yield parsed(payload, self._scene, f"event {self._count}")

    def end(self) -> Iterator[dict[str, Any]]:
        """A last object whose event was not closed, if it is whole."""
        for _, payload in self._lines.end():
            try:
                last = parsed(payload, self._scene)
            except ProtocolBroken:
                return
            yield last


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
        return clean(text)

    def rest(self) -> str:
        """What a half that found no partner becomes."""
        half, self._half = self._half, ""
        return clean(half)


def parsed(payload: bytes, scene: Scene, what: str = "the reply") -> dict[str, Any]:
    """The JSON object that the bytes are. Raises ProtocolBroken."""
    text = payload.decode("utf-8", "replace")
    try:
        value = json.loads(text)
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
