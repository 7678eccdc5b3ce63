"""What an agent file may set, and its defaults: limits, timers, retry, context. Field names are the file's keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DEFAULT_WINDOW = 8192
DEFAULT_SYSTEM_PROMPT = "You are a helpful assistant."


@dataclass(frozen=True, slots=True)
class Limits:
    """What stops a turn: rounds of tools, repeated calls, seconds, bytes, tokens and money."""

    rounds: int = 25
    identical_calls: int = 3
    tool_seconds: float = 120
    tool_output_bytes: int = 65_536
    total_tokens: int | None = None
    cost_usd: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to connect, to the first event, between events. `first_token` None takes the gateway's default."""

    connect: float = 10
    first_token: float | None = None
    gap: float = 120


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a call is tried in all, and the longest wait in seconds that a server may ask for."""

    attempts: int = 3
    max_wait: float = 120


@dataclass(frozen=True, slots=True)
class ContextPolicy:
    """The context window in tokens (None: the model's own), what is kept for the reply, and what overflow does.

    `keep`: the share of the window that is filled after older messages had to be left out.
    """

    max_tokens: int | None = None
    reserve: int = 1024
    overflow: Literal["evict", "error"] = "evict"
    keep: float = 0.6
