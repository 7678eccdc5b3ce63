"""What a gateway yields while a reply arrives, and how the pieces become one message again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runner.core.messages import Message, Opaque, ToolCall, Usage


@dataclass(frozen=True, slots=True)
class TextChunk:
    """A piece of the answer; never empty, never with a lone surrogate."""

    text: str


@dataclass(frozen=True, slots=True)
class ThinkingChunk:
    """A piece of the model's reasoning, for show alone; what must go back to the server travels in DoneChunk."""

    text: str


@dataclass(frozen=True, slots=True)
class CallChunk:
    """A piece of a tool call, as the wire gave it: any of the fields may be missing.

    `arguments` is a fragment of JSON text, or a whole object where the dialect sends one.
    """

    index: int | None = None
    id: str = ""
    name: str = ""
    arguments: str | Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class DoneChunk:
    """The terminator: without it a reply is incomplete.

    `finish` is stop, length, tool_calls or content_filter; `raw_finish` is the server's own word.
    """

    finish: str = "stop"
    raw_finish: str = ""
    usage: Usage | None = None
    model: str = ""
    opaque: Opaque | None = None


Chunk = TextChunk | ThinkingChunk | CallChunk | DoneChunk


class Assembly:
    """Folds the chunks of one reply into a Message.

    A call's pieces find each other so: a known id goes to its call; a new id in an occupied slot opens a new call;
    a known index goes to its slot; a piece with neither belongs to the call now streaming. Names are set, not joined.
    """

    def __init__(self) -> None:
        self.text: list[str] = []
        self.thinking: list[str] = []
        self.done: DoneChunk | None = None
        self._calls: list[_OpenCall] = []

    @property
    def empty(self) -> bool:
        """Nothing but thinking has arrived."""
        return not self._calls and not any(piece.strip() for piece in self.text)

    @property
    def started(self) -> bool:
        """Something has arrived that was shown or counts."""
        return bool(self.text or self.thinking or self._calls or self.done)

    def add(self, chunk: Chunk) -> None:
        kind = type(chunk)
        if kind is TextChunk:
            self.text.append(chunk.text)  # type: ignore[union-attr]
        elif isinstance(chunk, CallChunk):
            self._place(chunk).add(chunk)
        elif isinstance(chunk, ThinkingChunk):
            self.thinking.append(chunk.text)
        elif isinstance(chunk, DoneChunk):
            self.done = chunk

    def message(self, finish: str = "") -> Message:
        """The reply so far; `finish` overrides the terminator's, for replies that broke off."""
        calls = self._closed_calls()
        done = self.done
        reason = finish or (done.finish if done else "incomplete")
        if calls and reason == "stop":
            reason = "tool_calls"
        return Message(
            "assistant",
            "".join(self.text),
            calls=calls,
            thinking="".join(self.thinking),
            finish=reason,
            opaque=done.opaque if done else None,
        )

    def _place(self, chunk: CallChunk) -> _OpenCall:
        calls = self._calls
        if chunk.id:
            for call in calls:
                if call.id == chunk.id and not (chunk.name and call.name and chunk.name != call.name):
                    return call
        slot = None
        if chunk.index is not None:
            slot = next((call for call in reversed(calls) if call.index == chunk.index), None)
        if slot is None and chunk.index is None and not chunk.id and calls:
            if not (chunk.name and calls[-1].name):
                return calls[-1]
        elif slot is not None:
            if not chunk.id:
                return slot
            if not slot.id and not slot.closed:
                return slot
        opened = _OpenCall(chunk.index)
        calls.append(opened)
        return opened

    def _closed_calls(self) -> tuple[ToolCall, ...]:
        used: set[str] = set()
        closed = []
        for call in self._calls:
            if not call.id or call.id in used:
                call.id = new_call_id()
            used.add(call.id)
            closed.append(call.close())
        return tuple(closed)


class _OpenCall:
    """A call whose pieces are still arriving."""

    def __init__(self, index: int | None) -> None:
        self.index = index
        self.id = ""
        self.name = ""
        self._pieces: list[str] = []
        self._object: Mapping[str, Any] | None = None

    @property
    def closed(self) -> bool:
        """Whole arguments have come: another name or id means another call."""
        return self._object is not None

    def add(self, chunk: CallChunk) -> None:
        self.id = chunk.id or self.id
        self.name = chunk.name or self.name
        if isinstance(chunk.arguments, str):
            self._pieces.append(chunk.arguments)
        elif chunk.arguments is not None:
            self._object = chunk.arguments

    def close(self) -> ToolCall:
        if self._object is not None and not self._pieces:
            return ToolCall(self.id, self.name, self._object, json.dumps(self._object, ensure_ascii=False))
        raw = "".join(self._pieces)
        arguments, problem = parse_arguments(raw)
        return ToolCall(self.id, self.name, arguments, raw, problem)


def new_call_id() -> str:
    """An id for a call whose server gave none."""
    return "call_" + os.urandom(10).hex()


def parse_arguments(raw: str) -> tuple[Mapping[str, Any] | None, str]:
    """The JSON object that `raw` holds, or None and why it does not; blank text is the empty object."""
    if not raw.strip():
        return {}, ""
    try:
        value = json.loads(raw, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
    except RecursionError:
        return None, "arguments are nested too deeply"
    except ValueError as error:
        return None, f"arguments are not valid JSON: {error}"
    if value is None:
        return {}, ""
    if not isinstance(value, dict):
        return None, f"arguments must be a JSON object, not {type(value).__name__}"
    return value, ""


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {repeated!r} stands twice")
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
