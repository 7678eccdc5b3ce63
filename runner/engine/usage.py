"""Tokens and money of a session: the sum over all its model calls."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from runner.core.messages import Usage


class SessionUsage:
    """Tokens and US dollars of a session so far; `cost_usd` is None until a call had a price."""

    def __init__(self, price: Callable[[Usage], float | None] = lambda usage: None) -> None:
        self.tokens = Usage()
        self.cost_usd: float | None = None
        self.no_price_noticed = False
        self._price = price
        self._lock = Lock()

    def add(self, usage: Usage) -> None:
        """Count one more call; tools count theirs from their own threads."""
        cost = self._price(usage)
        with self._lock:
            self.tokens += usage
            if cost is not None:
                self.cost_usd = (self.cost_usd or 0.0) + cost

    def since(self, tokens: Usage, cost_usd: float | None) -> tuple[Usage, float | None]:
        """What was added after these sums."""
        now = self.tokens
        used = Usage(
            now.input_tokens - tokens.input_tokens,
            now.output_tokens - tokens.output_tokens,
            now.cached_tokens - tokens.cached_tokens,
            now.reasoning_tokens - tokens.reasoning_tokens,
        )
        return used, None if self.cost_usd is None else self.cost_usd - (cost_usd or 0.0)
