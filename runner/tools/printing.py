"""What a tool prints, kept away from stdout, which carries the answer alone."""

from __future__ import annotations

import sys
import threading
from typing import Any, TextIO

_KEPT = 2_000


class Printed:
    """While open, what this thread prints goes to `text`; what a thread born meanwhile prints goes to stderr.

    Others print as before: one switch stands in for sys.stdout as long as any tool runs, also one left behind.
    """

    def __init__(self) -> None:
        self.text = ""
        self.outer: Printed | None = None

    def __enter__(self) -> Printed:
        _switch.enter(self)
        return self

    def __exit__(self, *failure: object) -> None:
        _switch.leave(self)

    def write(self, text: str) -> None:
        if len(self.text) < _KEPT:
            self.text = (self.text + text)[:_KEPT]


class _Switch:
    """sys.stdout while tools run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[int, Printed] = {}
        self._elders: frozenset[int | None] = frozenset()
        self._stdout: TextIO = sys.stdout

    def enter(self, printed: Printed) -> None:
        with self._lock:
            if not self._running:
                self._stdout = sys.stdout
                self._elders = frozenset(thread.ident for thread in threading.enumerate())
                sys.stdout = self
            printed.outer = self._running.get(threading.get_ident())
            self._running[threading.get_ident()] = printed

    def leave(self, printed: Printed) -> None:
        with self._lock:
            self._running.pop(threading.get_ident(), None)
            if printed.outer:
                self._running[threading.get_ident()] = printed.outer
            if not self._running and sys.stdout is self:
                sys.stdout = self._stdout

    def write(self, text: str) -> int:
        me = threading.get_ident()
        if printed := self._running.get(me):
            printed.write(text)
        else:
            (self._stdout if me in self._elders else sys.stderr).write(text)
        return len(text)

    def flush(self) -> None:
        if threading.get_ident() not in self._running:
            self._stdout.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stdout, name)


_switch = _Switch()
