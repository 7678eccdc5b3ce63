"""Retries of one model call: which failures are tried again, how long is waited before, and when it is given up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from math import inf
from time import monotonic

from runner.core.cancel import Cancel
from runner.core.chunks import Chunk
from runner.core.errors import GatewayError, Unreachable
from runner.core.events import Notice
from runner.core.policy import Retry

_FIRST_WAIT = 0.5  # seconds; doubled with each attempt
_FARTHEST = 10 * 365 * 86_400  # seconds from now that a date can still be told for


class ModelCall:
    """One model call with all its attempts, whatever route they take: how it is stopped, and how far it has come.

    `deadline` is a time of `monotonic()`. `started`: a chunk has been passed on, so that nothing is asked again.
    """

    def __init__(self, cancel: Cancel, deadline: float = inf) -> None:
        self.cancel = cancel
        self.deadline = deadline
        self.started = False

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the deadline, None without one."""
        return None if self.deadline == inf else max(0.0, self.deadline - monotonic())


def with_retries(
    attempt: Callable[[], Iterator[Chunk | Notice]], call: ModelCall, policy: Retry, *, last_route: bool
) -> Iterator[Chunk | Notice]:
    """The chunks of the first attempt that gives any, with a notice before each further attempt.

    On any but the `last_route`, a server that cannot be reached is not waited for. Raises GatewayError.
    """
    number = 1
    while True:
        try:
            for item in attempt():
                call.started = call.started or not isinstance(item, Notice)
                yield item
            return
        except GatewayError as error:
            if call.started or not error.retryable or monotonic() >= call.deadline:
                raise
            if isinstance(error, Unreachable) and not last_route:
                raise
            if number >= policy.attempts:
                raise _given_up(error, number) from None
            wait = _seconds_to_wait(error, number, policy)
            if wait > policy.max_wait:
                raise _wait_too_long(error, wait, f"retry.max_wait (now {policy.max_wait:g} s)") from None
            if wait > call.deadline - monotonic():
                raise _wait_too_long(error, wait, "limits.seconds") from None
            yield Notice(
                "retry",
                f"{error.what}; trying again in {wait:.1f} s ({number} of {policy.attempts - 1})",
                {"attempt": number, "seconds": round(wait, 3), "why": error.code},
            )
            call.cancel.wait(wait)
            number += 1


def _seconds_to_wait(error: GatewayError, attempt: int, policy: Retry) -> float:
    """What the server asks for, else exponential backoff with jitter."""
    if error.retry_after is not None:
        return max(0.0, error.retry_after)
    from random import uniform  # lazy: only a failing call waits

    return min(policy.max_wait, _FIRST_WAIT * 2.0 ** (attempt - 1)) * uniform(0.5, 1.0)


def _given_up(error: GatewayError, attempts: int) -> GatewayError:
    return error.replace(why=f"{error.why} (tried {attempts} times)".strip()) if attempts > 1 else error


def _wait_too_long(error: GatewayError, wait: float, limit: str) -> GatewayError:
    """The error of a call whose next attempt would come later than `limit` allows."""
    until = datetime.now().astimezone() + timedelta(seconds=min(wait, _FARTHEST))
    subject = "the next try would be at" if error.retry_after is None else "the server asks to wait until"
    why = f"{error.why} ({subject} {until:%Y-%m-%d %H:%M:%S})".strip()
    return error.replace(why=why, fix=f"try again then, or raise {limit}")
