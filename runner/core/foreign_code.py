"""Code that is not ours, called in such a way that whatever it raises is a value."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from runner.core.truncate import truncate

T = TypeVar("T")

_LONGEST_TEXT = 2000

_INTERRUPTS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def run_foreign(job: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    """What the job returns, or what it raises; SystemExit too.

    Only the user's own ^C, a KeyboardInterrupt in the main thread, is raised.
    """
    try:
        return job(), None
    except BaseException as error:  # foreign code may raise anything, SystemExit too
        if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise
        return None, error


def run_unattended(job: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    """As `run_foreign`, for a job that asks the user nothing: a KeyboardInterrupt without a signal is a value too."""

    def guarded() -> tuple[T | None, BaseException | None]:
        with _signals_noted() as signals:
            try:
                return job(), None
            except KeyboardInterrupt as error:
                if signals:
                    raise
                return None, error

    found, error = run_foreign(guarded)
    return found if found is not None else (None, error)


@contextmanager
def _signals_noted() -> Iterator[list[int]]:
    """The interrupts that arrive while the block is open; they do what they did before."""
    signals: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    handlers = {number: signal.getsignal(number) for number in _INTERRUPTS}

    def note(number: int, frame: FrameType | None) -> None:
        signals.append(number)
        handler = handlers[number]
        if callable(handler):
            handler(number, frame)

    try:
        for number, handler in handlers.items():
            if callable(handler):
                signal.signal(number, note)
        yield signals
    finally:
        for number, handler in handlers.items():
            if callable(handler):
                signal.signal(number, handler)


@contextmanager
def ended_after(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block once these seconds are over, and each second again if the code goes on.

    Only in the main thread, and where there are timers; elsewhere there is no bound.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"it did not end within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def error_text(error: BaseException) -> str:
    """The error's kind and what it says, truncated; only the kind if saying it fails."""
    words, _ = run_unattended(lambda: truncate(f"{error}", _LONGEST_TEXT))
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
