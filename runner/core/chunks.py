"""Chunks of a streamed reply, and their assembly into one message."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from runner.core import strict_json as strict
from runner.core.messages import FinishReason, Message, Opaque, ToolCall, Usage
from runner.core.sanitize import replace_surrogates


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
    """The terminator: without it a reply is incomplete. `raw_finish` is the server's own word."""

    finish: FinishReason = "stop"
    raw_finish: str = ""
    usage: Usage | None = None
    model: str = ""
    opaque: Opaque | None = None


Chunk = TextChunk | ThinkingChunk | CallChunk | DoneChunk


class Assembly:
    """Folds the chunks of one reply into a Message.

    A call's pieces find each other so: a known id goes to its call; a new id in an occupied slot opens a new call;
    a known index goes to its slot; a piece with neither belongs to the call now streaming. Names are set, not joined:
    another name, or a name that comes with arguments when those of the call are whole, opens a new call.
    """

    def __init__(self) -> None:
        self.text: list[str] = []
        self.thinking: list[str] = []
        self.done: DoneChunk | None = None
        self._calls: list[_OpenCall] = []
        self._streaming: _OpenCall | None = None

    def add(self, chunk: Chunk) -> None:
        kind = type(chunk)
        if kind is TextChunk:
            self.text.append(chunk.text)  # type: ignore[union-attr]
        elif isinstance(chunk, CallChunk):
            self._streaming = self._call_of(chunk)
            self._streaming.add(chunk)
        elif isinstance(chunk, ThinkingChunk):
            self.thinking.append(chunk.text)
        elif isinstance(chunk, DoneChunk):
            self.done = chunk

    def message(self, finish: FinishReason | Literal[""] = "") -> Message:
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

    def _call_of(self, chunk: CallChunk) -> _OpenCall:
        """The call that the piece belongs to, a new one if it belongs to none."""
        if chunk.id:
            for call in reversed(self._calls):
                if call.id == chunk.id and not _starts_call_of_same_id(call, chunk):
                    return call
        candidate = self._call_by_index(chunk)
        if candidate is not None and not (chunk.id and candidate.id) and candidate.continues_with(chunk):
            return candidate
        opened = _OpenCall(chunk.index)
        self._calls.append(opened)
        return opened

    def _call_by_index(self, chunk: CallChunk) -> _OpenCall | None:
        """The newest call of the piece's index; without an index and an id, the call now streaming."""
        if chunk.index is None:
            return None if chunk.id else self._streaming
        return next((call for call in reversed(self._calls) if call.index == chunk.index), None)

    def _closed_calls(self) -> tuple[ToolCall, ...]:
        used: set[str] = set()
        closed = []
        for call in self._calls:
            if not call.id or call.id in used:
                call.id = new_call_id()
            used.add(call.id)
            closed.append(call.close())
        return tuple(closed)


def _starts_call_of_same_id(call: _OpenCall, chunk: CallChunk) -> bool:
    """Some servers give several calls of one reply the same id: another name, or index and arguments, tell them."""
    return call.has_other_name(chunk) or (call.has_other_index(chunk) and call.cannot_take(chunk))


class _OpenCall:
    """A tool call whose pieces are still arriving."""

    def __init__(self, index: int | None) -> None:
        self.index = index
        self.id = ""
        self.name = ""
        self._pieces: list[str] = []
        self._length = 0
        self._object: Mapping[str, Any] | None = None

    def has_other_name(self, chunk: CallChunk) -> bool:
        """Whether the piece names another tool."""
        return bool(chunk.name and self.name and chunk.name != self.name)

    def continues_with(self, chunk: CallChunk) -> bool:
        """Whether the piece may belong to this call, by its name and its arguments."""
        return not (self.has_other_name(chunk) or self.cannot_take(chunk))

    def has_other_index(self, chunk: CallChunk) -> bool:
        """Whether the piece has another index."""
        return chunk.index is not None and chunk.index != self.index

    def cannot_take(self, chunk: CallChunk) -> bool:
        """Whether the piece has a name and arguments although this call's arguments are complete JSON."""
        arguments = chunk.arguments
        has_arguments = arguments.strip() if isinstance(arguments, str) else arguments is not None
        return bool(chunk.name and has_arguments) and self._is_complete()

    def _is_complete(self) -> bool:
        return self._object is not None or (
            bool(self._pieces) and self._pieces[-1].endswith("}") and parse_arguments("".join(self._pieces))[1] == ""
        )

    def _is_repeated(self, piece: str) -> bool:
        """Whether the piece is the complete arguments once more, which some servers send at the end."""
        return len(piece) == self._length > 0 and self._is_complete() and piece == "".join(self._pieces)

    def add(self, chunk: CallChunk) -> None:
        self.id = chunk.id or self.id
        self.name = chunk.name or self.name
        if isinstance(chunk.arguments, str):
            if not self._is_repeated(chunk.arguments):
                self._pieces.append(chunk.arguments)
                self._length += len(chunk.arguments)
        elif chunk.arguments is not None:
            self._object = chunk.arguments

    def close(self) -> ToolCall:
        call_id, name = replace_surrogates(self.id), replace_surrogates(self.name)
        raw = "".join(self._pieces)
        if self._object is not None and not raw.strip():
            try:
                raw = json.dumps(self._object, ensure_ascii=False)
            except (RecursionError, ValueError) as error:
                return ToolCall(call_id, name, None, "", f"arguments are not valid JSON: {error}")
        arguments, problem = parse_arguments(raw)
        return ToolCall(call_id, name, arguments, replace_surrogates(raw), problem)


def new_call_id() -> str:
    """An id for a call whose server gave none."""
    return "call_" + os.urandom(10).hex()


def parse_arguments(raw: str) -> tuple[Mapping[str, Any] | None, str]:
    """The JSON object that `raw` holds, or None and why it does not; blank text is the empty object."""
    if not raw.strip():
        return {}, ""
    try:
        value = strict.loads(raw)
    except ValueError as error:
        return None, f"arguments are not valid JSON: {error}"
    if value is None:
        return {}, ""
    if not isinstance(value, dict):
        return None, f"arguments must be a JSON object, not {type(value).__name__}"
    return value, ""
