"""Events of a session, as `ChatSession.send` yields them, and their one JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from runner.core.messages import FinishReason, ToolCall, ToolResult, Usage

NoticeKind = Literal[
    "abridged",
    "empty",
    "evicted",
    "fallback",
    "incomplete",
    "limit",
    "no_price",
    "options_off",
    "reply_invalid",
    "retry",
    "server_truncated",
    "textual_call",
    "tool",
    "tools_off",
    "truncated",
]
LimitName = Literal["rounds", "identical_calls", "seconds", "max_tokens", "total_tokens", "cost_usd"]
TurnReason = Literal["answered", "truncated", "incomplete", "cancelled", "failed"] | LimitName


@dataclass(frozen=True, slots=True)
class Asked:
    """The user's message has entered the conversation."""

    text: str

    def to_dict(self) -> dict[str, Any]:
        return {"type": "user", "text": self.text}


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer, as it arrives."""

    text: str

    def to_dict(self) -> dict[str, Any]:
        return {"type": "text", "delta": self.text}


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    """A piece of the model's reasoning, as it arrives."""

    text: str

    def to_dict(self) -> dict[str, Any]:
        return {"type": "thinking", "delta": self.text}


@dataclass(frozen=True, slots=True)
class Replied:
    """One model reply is there: complete, or marked by its finish reason."""

    text: str
    finish_reason: FinishReason | Literal[""]
    usage: Usage
    calls: tuple[ToolCall, ...] = ()
    model: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "type": "reply",
            "text": self.text,
            "finish_reason": self.finish_reason,
            "usage": self.usage.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """A tool call is about to run."""

    call: ToolCall

    def to_dict(self) -> dict[str, Any]:
        return {"type": "tool_call"} | self.call.to_dict()


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A tool call has its result; those of one reply may finish in any order. `ran` is False if no tool was asked."""

    result: ToolResult
    ran: bool = True

    def to_dict(self) -> dict[str, Any]:
        return {"type": "tool_result"} | self.result.to_dict()


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the user should know although the turn goes on."""

    kind: NoticeKind
    text: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {"type": "notice", "kind": self.kind, "text": self.text} | dict(self.details)


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The turn is over: what it used, how many seconds it took, why it ended, and its cost in US dollars if known."""

    usage: Usage
    seconds: float
    reason: TurnReason = "answered"
    cost_usd: float | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "type": "turn",
            "usage": self.usage.to_dict(),
            "cost_usd": self.cost_usd,
            "seconds": round(self.seconds, 6),
            "reason": self.reason,
        }


Event = Asked | TextDelta | ThinkingDelta | Replied | ToolStarted | ToolFinished | Notice | TurnEnded
