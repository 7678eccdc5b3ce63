"""What is left of a wait, counted down on a terminal's last line."""

from __future__ import annotations

import os
import threading
import time
from typing import TextIO

_SHORTEST = 2.0
_CLEAR = "\r\x1b[K"


class Countdown:
    """Shows the seconds of a wait until it is told that the wait is over."""

    def __init__(self, screen: TextIO) -> None:
        self._screen = screen
        self._able = screen.isatty() and os.environ.get("TERM") != "dumb"
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, seconds: float) -> None:
        """Count down from here; short waits and screens that cannot go back in a line are left alone."""
        if self._able and seconds >= _SHORTEST:
            self._over.clear()
            self._thread = threading.Thread(target=self._count, args=(time.monotonic() + seconds,), daemon=True)
            self._thread.start()

    def end(self) -> None:
        """The wait is over, or somebody stopped it: leave the line as it was."""
        if self._thread is not None:
            self._over.set()
            self._thread.join()
            self._thread = None

    def _count(self, until: float) -> None:
        while (left := until - time.monotonic()) > 0 and not self._over.is_set():
            self._write(f"{_CLEAR}{left:.0f} s left, ^C stops")
            self._over.wait(1)
        self._write(_CLEAR)

    def _write(self, text: str) -> None:
        self._screen.write(text)
        self._screen.flush()
