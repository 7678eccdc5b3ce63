"""What a tool prints, kept away from stdout, which carries the answer alone; and stdin, kept away from the tool."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

_KEPT = 2_000


class Printed:
    """While open, what this thread prints goes to `text`; what a thread born meanwhile prints goes to stderr.

    Others print as before: one switch stands in for sys.stdout as long as any tool runs, also one left behind. What is
    on stdin is the user's word to the agent: this thread finds nothing there.
    """

    def __init__(self) -> None:
        self.text = ""
        self.outer: Printed | None = None

    def __enter__(self) -> Printed:
        _switch.enter(self)
        return self

    def __exit__(self, *failure: object) -> None:
        _switch.leave(self)

    def write(self, text: str | bytes) -> int:
        if len(self.text) < _KEPT:
            self.text += (text if isinstance(text, str) else text.decode(errors="replace"))[: _KEPT - len(self.text)]
        return len(text)

    def flush(self) -> None:
        """Nothing waits."""


class _Switch:
    """sys.stdout while tools run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[int, Printed] = {}
        self._elders: frozenset[threading.Thread] = frozenset()
        self._stdout: TextIO = sys.stdout
        self._stdin = _Stdin(self._running)

    def enter(self, printed: Printed) -> None:
        with self._lock:
            if sys.stdout is not self:
                self._stdout = sys.stdout
                self._elders = frozenset(threading.enumerate())
                sys.stdout = self
            if sys.stdin is not self._stdin:
                self._stdin.real, sys.stdin = sys.stdin, self._stdin
            printed.outer = self._running.get(threading.get_ident())
            self._running[threading.get_ident()] = printed

    def leave(self, printed: Printed) -> None:
        with self._lock:
            self._running.pop(threading.get_ident(), None)
            if printed.outer:
                self._running[threading.get_ident()] = printed.outer
            if not self._running and sys.stdout is self:
                sys.stdout = self._stdout
            if not self._running and sys.stdin is self._stdin:
                sys.stdin = self._stdin.real

    def write(self, text: str) -> int:
        if printed := self._running.get(threading.get_ident()):
            return printed.write(text)
        return (self._stdout if threading.current_thread() in self._elders else sys.stderr).write(text)

    @property
    def buffer(self) -> Any:
        return self._running.get(threading.get_ident()) or self._stdout.buffer

    def flush(self) -> None:
        if threading.get_ident() not in self._running:
            self._stdout.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stdout, name)


class _Stdin:
    """sys.stdin while tools run: empty for them."""

    def __init__(self, running: Mapping[int, Printed]) -> None:
        self._running = running
        self.real: Any = sys.stdin

    def __iter__(self) -> Iterator[str]:
        return iter(self._now)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._now, name)

    @property
    def _now(self) -> Any:
        return io.TextIOWrapper(io.BytesIO()) if threading.get_ident() in self._running else self.real


_switch = _Switch()
