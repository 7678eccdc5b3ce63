"""What a tool prints is captured, since stdout carries the answer alone; a tool reads nothing from stdin."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

_MAX_CHARACTERS = 2_000


class PrintedOutput:
    """While open, what this thread prints goes to `text`; what a thread started meanwhile prints goes to stderr.

    Others print as before: sys.stdout is replaced as long as any tool runs, also one that outlived its time. What is on
    stdin is the user's input to the agent: this thread reads nothing there.
    """

    def __init__(self) -> None:
        self.text = ""
        self.enclosing: PrintedOutput | None = None

    def __enter__(self) -> PrintedOutput:
        _thread_stdout.enter(self)
        return self

    def __exit__(self, *failure: object) -> None:
        _thread_stdout.leave(self)

    def write(self, text: str | bytes) -> int:
        if (room := _MAX_CHARACTERS - len(self.text)) > 0:
            self.text += (text if isinstance(text, str) else text.decode(errors="replace"))[:room]
        return len(text)

    def flush(self) -> None:
        """Nothing waits."""


class _ThreadStdout:
    """sys.stdout while tools run: each thread's own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._capturing: dict[int, PrintedOutput] = {}
        self._earlier_threads: frozenset[threading.Thread] = frozenset()
        self._stdout: TextIO = sys.stdout
        self._stdin = _ThreadStdin(self._capturing)

    def enter(self, printed: PrintedOutput) -> None:
        with self._lock:
            if sys.stdout is not self:
                self._stdout = sys.stdout
                self._earlier_threads = frozenset(threading.enumerate())
                sys.stdout = self
            if sys.stdin is not self._stdin:
                self._stdin.real, sys.stdin = sys.stdin, self._stdin
            printed.enclosing = self._capturing.get(threading.get_ident())
            self._capturing[threading.get_ident()] = printed

    def leave(self, printed: PrintedOutput) -> None:
        with self._lock:
            self._capturing.pop(threading.get_ident(), None)
            if printed.enclosing:
                self._capturing[threading.get_ident()] = printed.enclosing
            if not self._capturing and sys.stdout is self:
                sys.stdout = self._stdout
            if not self._capturing and sys.stdin is self._stdin:
                sys.stdin = self._stdin.real

    def write(self, text: str) -> int:
        if printed := self._capturing.get(threading.get_ident()):
            return printed.write(text)
        return (self._stdout if threading.current_thread() in self._earlier_threads else sys.stderr).write(text)

    @property
    def buffer(self) -> Any:
        return self._capturing.get(threading.get_ident()) or self._stdout.buffer

    def flush(self) -> None:
        if threading.get_ident() not in self._capturing:
            self._stdout.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stdout, name)


class _ThreadStdin:
    """sys.stdin while tools run: empty for them."""

    def __init__(self, capturing: Mapping[int, PrintedOutput]) -> None:
        self._capturing = capturing
        self.real: Any = sys.stdin

    def __iter__(self) -> Iterator[str]:
        return iter(self._current)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._current, name)

    @property
    def _current(self) -> Any:
        return io.TextIOWrapper(io.BytesIO()) if threading.get_ident() in self._capturing else self.real


_thread_stdout = _ThreadStdout()
