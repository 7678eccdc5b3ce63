"""Cancellation of replies and tools, from any thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


class Cancelled(Exception):
    """Raised inside a reply or a tool after `Cancel.cancel()`; the engine turns it into a cancelled turn."""


class Cancel:
    """A flag that is set once, and callbacks that make blocking calls return when it is.

    `cancelled` is set by `cancel` alone.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], object]] = []
        self.cancelled = False

    def cancel(self) -> None:
        """Set the flag and run the callbacks; safe to call from any thread and more than once."""
        with self._lock:
            if self.cancelled:
                return
            self.cancelled = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            with suppress(OSError):
                callback()

    def check(self) -> None:
        """Raise Cancelled after `cancel`."""
        if self.cancelled:
            raise Cancelled

    def wait(self, seconds: float) -> None:
        """Sleep for `seconds`; raise Cancelled as soon as `cancel` is called."""
        stopped = threading.Event()
        with self.on_cancel(stopped.set):
            if stopped.wait(seconds):
                raise Cancelled

    @contextmanager
    def on_cancel(self, callback: Callable[[], object]) -> Iterator[None]:
        """Run `callback` on cancellation (at once if it has already come) while the block is open."""
        with self._lock:
            already_cancelled = self.cancelled
            if not already_cancelled:
                self._callbacks.append(callback)
        if already_cancelled:
            with suppress(OSError):
                callback()
        try:
            yield
        finally:
            with self._lock, suppress(ValueError):
                self._callbacks.remove(callback)
