"""How long one call may wait: for its first event, for the next one, and in all."""

from __future__ import annotations

import time
from typing import NoReturn

from runner.core.errors import TimedOut
from runner.core.policy import Timeouts

_LONGEST_WAIT = 3600.0


class Timers:
    """The timers of one call. Only time spent waiting for the server counts, so that a slow consumer expires none.

    `first_token`: seconds to the first event where `timeouts` has none; `seconds` bounds the whole call.
    """

    def __init__(self, timeouts: Timeouts, first_token: float, seconds: float | None) -> None:
        self.connect = timeouts.connect
        self._gap = timeouts.gap
        self._budget = timeouts.first_token if timeouts.first_token is not None else first_token
        self._name = "timeouts.first_token"
        self._waited = 0.0
        self._seconds = seconds
        self._started = time.monotonic()

    def restart(self, linger: float | None = None) -> None:
        """An event was decoded, which pings and comments are not: wait for the next, at most `linger` seconds."""
        self._name = "timeouts.gap"
        self._budget = self._gap if linger is None else min(linger, self._gap)
        self._waited = 0.0

    def remaining(self) -> float:
        """Seconds until the next timer expires, or until it should be looked at again. Raises TimedOut when it has."""
        left = min(self._budget - self._waited, _LONGEST_WAIT)
        if self._seconds is not None:
            total = self._seconds - (time.monotonic() - self._started)
            if total <= 0:
                raise TimedOut(
                    f"the call took longer than {self._seconds:g} s in all",
                    fix="raise limits.seconds in the agent file",
                )
            left = min(left, total)
        if left <= 0:
            self.expire()
        return left

    def expire(self) -> NoReturn:
        """Raise TimedOut for the event that is awaited."""
        awaited = "the first event" if self._name == "timeouts.first_token" else "the next event"
        raise TimedOut(
            f"no answer: waited {self._budget:g} s for {awaited}",
            why=f"the timer {self._name} rang",
            fix=f"raise {self._name} in the agent file, or see whether the server is busy",
        )

    def add_wait(self, seconds: float) -> None:
        """Count seconds spent in waiting for the server."""
        self._waited += seconds
