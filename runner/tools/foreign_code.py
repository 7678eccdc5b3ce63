"""Code that is not ours, called in such a way that whatever it raises is a value."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


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
