"""The account of a session: tokens and money of all its model calls."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from runner.core.messages import Usage


class Spent:
    """Tokens and money of a session so far; `cost_usd` is None until a call had a price."""

    def __init__(self, price: Callable[[Usage], float | None] = lambda usage: None) -> None:
        self.usage = Usage()
        self.cost_usd: float | None = None
        self.unpriced_told = False
        self._price = price
        self._lock = Lock()

    def add(self, usage: Usage) -> None:
        """Count one more call; tools count theirs from their own threads."""
        cost = self._price(usage)
        with self._lock:
            self.usage += usage
            if cost is not None:
                self.cost_usd = (self.cost_usd or 0.0) + cost

    def since(self, usage: Usage, cost: float | None) -> tuple[Usage, float | None]:
        """What was added after it stood at this."""
        now = self.usage
        used = Usage(
            now.input_tokens - usage.input_tokens,
            now.output_tokens - usage.output_tokens,
            now.cached_tokens - usage.cached_tokens,
            now.reasoning_tokens - usage.reasoning_tokens,
        )
        return used, None if self.cost_usd is None else self.cost_usd - (cost or 0.0)
