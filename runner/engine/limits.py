"""The limits of a turn: rounds of tools, repeated calls, seconds, tokens and money, and when one of them is reached."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from typing import NoReturn

from runner.core.errors import LimitReached
from runner.core.events import LimitName, Notice, TurnEnded, TurnReason
from runner.core.messages import Message, ToolResult
from runner.core.policy import Limits
from runner.engine.usage import SessionUsage

_OF_SESSION = frozenset({"total_tokens", "cost_usd"})


class TurnLimits:
    """Holds one turn to the agent's limits, by its own clock and counters and by the session's `usage`.

    `timeout` bounds this turn's seconds besides. `reached` names the limit that was reached, None as long as none was.
    Each method that checks raises LimitReached.
    """

    def __init__(self, limits: Limits, usage: SessionUsage, timeout: float | None = None) -> None:
        self.usage = usage
        self.reached: LimitName | None = None
        self._limits = limits
        self._seconds = min((each for each in (limits.seconds, timeout) if each is not None), default=None)
        self._started = time.monotonic()
        self._before = usage.tokens, usage.cost_usd
        self._rounds = 0
        self._truncated_calls = 0
        self._calls: Counter[str] = Counter()

    def check(self) -> None:
        """Before each model call."""
        limits, usage = self._limits, self.usage
        if self._rounds >= limits.rounds:
            self._stop("rounds", f"the turn took {limits.rounds} rounds of tools without an answer")
        if limits.total_tokens is not None and usage.tokens.total_tokens >= limits.total_tokens:
            self._stop("total_tokens", f"the session used {usage.tokens.total_tokens} tokens")
        if limits.cost_usd is not None and (usage.cost_usd or 0) >= limits.cost_usd:
            self._stop("cost_usd", f"the session cost ${usage.cost_usd:.4f}")
        self.check_seconds()

    def check_seconds(self) -> None:
        if self.seconds_left() == 0:
            self._stop("seconds", f"the turn took longer than {self._seconds:g} s")

    def check_exchange(self, reply: Message, results: Sequence[ToolResult | None]) -> None:
        """After the calls of a reply: they may have been made before, with the same results, or be cut off again."""
        self._rounds += 1
        for call, result in zip(reply.calls, results, strict=True):
            arguments = call.raw if call.arguments is None else call.arguments
            output = result.output if result else None
            key = json.dumps([call.name, arguments, output], sort_keys=True, default=str)
            self._calls[key] += 1
            if self._calls[key] >= self._limits.identical_calls:
                self._stop("identical_calls", f"{call.name} was called {self._calls[key]} times with the same result")
        if reply.finish == "length":
            self._truncated_calls += 1
            if self._truncated_calls > 1:
                self._stop("max_tokens", "tool arguments were cut at the token limit twice")

    def seconds_left(self) -> float | None:
        """Seconds that the turn may still take, None without a limit."""
        limit = self._seconds
        return None if limit is None else max(0.0, limit - (time.monotonic() - self._started))

    def no_price_notice(self, model: str) -> Notice | None:
        """Once in a session: that the limit of money cannot be held, since no price is known."""
        usage = self.usage
        if self._limits.cost_usd is None or usage.cost_usd is not None or usage.no_price_noticed:
            return None
        usage.no_price_noticed = True
        return Notice("no_price", f"no price is known for {model or 'this model'}: limits.cost_usd cannot hold")

    def turn_ended(self, reason: TurnReason) -> TurnEnded:
        """The turn's last event, with its share of the session's usage."""
        tokens, cost = self.usage.since(*self._before)
        return TurnEnded(tokens, time.monotonic() - self._started, reason, cost)

    def _stop(self, limit: LimitName, what: str) -> NoReturn:
        self.reached = limit
        key = "options.max_tokens" if limit == "max_tokens" else f"limits.{limit}"
        if limit == "seconds" and self._seconds != self._limits.seconds:
            key = "timeout"
        instead = "start a new session" if limit in _OF_SESSION else "send another message to go on from here"
        raise LimitReached(what, where=key, fix=f"raise {key}, or {instead}")
