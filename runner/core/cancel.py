"""One way to stop what is under way, from any thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class Cancelled(Exception):
    """Raised inside a reply or a tool after `Cancel.cancel()`; the engine turns it into a cancelled turn."""


class Cancel:
    """Remembers that somebody wants to stop, and runs what was registered to make blocking calls return.

    `cancelled` says whether it has come to that; `cancel` alone sets it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], object]] = []
        self.cancelled = False

    def cancel(self) -> None:
        """Stop: safe to call from any thread and more than once."""
        with self._lock:
            if self.cancelled:
                return
            self.cancelled = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            with suppress(OSError):
                callback()

    def check(self) -> None:
        """Raise Cancelled if somebody wants to stop."""
        if self.cancelled:
            raise Cancelled

    def wait(self, seconds: float) -> None:
        """Sleep for `seconds`; raise Cancelled as soon as somebody wants to stop."""
        stopped = threading.Event()
        with self.on_cancel(stopped.set):
            if stopped.wait(seconds):
                raise Cancelled

    @contextmanager
    def on_cancel(self, callback: Callable[[], object]) -> Iterator[None]:
        """Run `callback` on cancellation (at once if it has already come) while the block is open."""
        with self._lock:
            late = self.cancelled
            if not late:
                self._callbacks.append(callback)
        if late:
            with suppress(OSError):
                callback()
        try:
            yield
        finally:
            with self._lock, suppress(ValueError):
                self._callbacks.remove(callback)
