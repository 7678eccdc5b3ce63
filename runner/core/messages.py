"""Messages, tool calls and their results, as frozen values that are no server's own format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Role = Literal["system", "user", "assistant", "tool"]
Effects = Literal["none", "read", "write", "exec"]
EFFECTS: tuple[Effects, ...] = get_args(Effects)
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "incomplete", "cancelled"]
"""How a reply ended; incomplete and cancelled are those that broke off."""

UNFINISHED = frozenset({"incomplete", "cancelled"})


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one model call, or of several added up; cached and reasoning tokens are parts of the other two."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )

    def to_dict(self) -> dict[str, int]:
        return {
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cached_tokens": self.cached_tokens,
            "reasoning_tokens": self.reasoning_tokens,
        }


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """What a model is told of a tool; `parameters` is a JSON Schema of type object."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    effects: Effects = "none"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish to run a tool.

    `arguments` keep their JSON types and are None when `raw`, the text as the model wrote it, is not a JSON object;
    `problem` then says why.
    """

    id: str
    name: str
    arguments: Mapping[str, Any] | None
    raw: str = ""
    problem: str = ""

    def to_dict(self) -> dict[str, Any]:
        shown = dict(self.arguments) if self.arguments is not None else self.raw
        return {"id": self.id, "name": self.name, "arguments": shown}


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that travels with a message, an image as a rule."""

    media_type: str
    data: bytes
    name: str = ""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a call gave: text or any other JSON value; a failure's output says what to do instead."""

    call_id: str
    name: str
    output: Any
    failed: bool = False
    seconds: float = 0.0
    files: tuple[Attachment, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.call_id,
            "name": self.name,
            "output": self.output,
            "failed": self.failed,
            "seconds": round(self.seconds, 6),
        }


@dataclass(frozen=True, slots=True)
class Opaque:
    """State that one dialect must get back byte-exact (signed thinking, say); sent only to the model that made it."""

    dialect: str
    model: str
    content: Any


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    A tool message carries all results of one reply, in the order of its calls. `finish` is an assistant reply's
    finish reason, empty for other messages.
    """

    role: Role
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    results: tuple[ToolResult, ...] = ()
    files: tuple[Attachment, ...] = ()
    thinking: str = ""
    finish: FinishReason | Literal[""] = ""
    opaque: Opaque | None = field(default=None, compare=False)

    @classmethod
    def system(cls, text: str) -> Message:
        return cls("system", text)

    @classmethod
    def user(cls, text: str, files: Iterable[Attachment] = ()) -> Message:
        return cls("user", text, files=tuple(files))

    @classmethod
    def assistant(cls, text: str = "", calls: Iterable[ToolCall] = (), finish: FinishReason = "stop") -> Message:
        return cls("assistant", text, calls=tuple(calls), finish=finish)

    @classmethod
    def tool(cls, results: Iterable[ToolResult]) -> Message:
        return cls("tool", results=tuple(results))

    @property
    def complete(self) -> bool:
        """False for a reply that broke off, so that it is never taken for an answer."""
        return self.finish not in UNFINISHED

    def to_dict(self) -> dict[str, Any]:
        """role and text always; the rest where there is any."""
        shown: dict[str, Any] = {"role": self.role, "text": self.text}
        if self.calls:
            shown["calls"] = [call.to_dict() for call in self.calls]
        if self.results:
            shown["results"] = [result.to_dict() for result in self.results]
        if self.thinking:
            shown["thinking"] = self.thinking
        if self.files:
            shown["files"] = [{"name": each.name, "media_type": each.media_type} for each in self.files]
        if self.finish:
            shown["finish_reason"] = self.finish
        return shown
