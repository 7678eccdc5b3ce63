"""One run of a program with bounded time and output: stdin is fed while stdout and stderr are captured."""

from __future__ import annotations

import os
import selectors
import shlex
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runner.core.cancel import Cancel
from runner.tools.context import ToolOutput
from runner.tools.output_limit import MAX_CAPTURED, OutputCapture
from runner.tools.process_tree import ProcessTree

_POLL_SECONDS = 0.05
_DRAIN_SECONDS = 0.5
_CHUNK = 65_536


class ProgramRun:
    """One run: feeds stdin, captures stdout and stderr, and ends the process and its descendants."""

    def __init__(self, process_tree: ProcessTree, name: str, limit: int) -> None:
        self._process_tree = process_tree
        self._stdout = OutputCapture(name, limit * 3 // 4)
        self._stderr = OutputCapture(f"{name}_stderr", limit // 8)
        self._stdin = memoryview(b"")
        self._selector = selectors.DefaultSelector()
        self._stop_reason = ""
        self._left_running = 0

    def wait(self, stdin: bytes, seconds: float, cancel: Cancel) -> None:
        """Move its input and output until it ends or must, then end all that it has started."""
        process = self._process_tree.process
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        self._stdin = memoryview(stdin)
        os.set_blocking(process.stdin.fileno(), False)
        with self._selector, process.stdin, process.stdout, process.stderr, self._stdout, self._stderr:
            self._selector.register(process.stdin, selectors.EVENT_WRITE)
            self._selector.register(process.stdout, selectors.EVENT_READ, self._stdout)
            self._selector.register(process.stderr, selectors.EVENT_READ, self._stderr)
            try:
                self._stop_reason = self._until_ended(seconds, cancel)
            finally:
                self._left_running = len(self._process_tree.alive())
                for pause in self._process_tree.end():
                    self._transfer(pause)
            deadline = time.monotonic() + _DRAIN_SECONDS
            while self._transfer(0) and time.monotonic() < deadline:
                pass

    def output(self, argv: Sequence[str], folder: Path) -> ToolOutput:
        """What the model reads: the output, or how and where it failed before what it wrote."""
        out, errors = self._stdout.text(), self._stderr.text()
        if failure := self._stop_reason or _exit_text(self._process_tree.exit_code):
            lines = [f"{failure}: {shlex.join(argv)}", f"in {folder}", errors, out]
        else:
            lines = [out, errors and f"[stderr]\n{errors}"]
        if self._left_running and not self._stop_reason:
            lines.append(f"[processes that it had left running, and that were ended: {self._left_running}]")
        if survivors := self._process_tree.alive():
            lines.append(f"[processes that could not be ended: {', '.join(map(str, survivors))}]")
        if self._process_tree.lost:
            lines.append("[it ended the process that looks after what it starts: something may still run]")
        return ToolOutput("\n".join(filter(None, lines)) or "(no output)", failed=bool(failure))

    def _until_ended(self, seconds: float, cancel: Cancel) -> str:
        """Why the program had to be stopped; an empty text if it ended by itself."""
        deadline = time.monotonic() + seconds
        drain_until = 0.0
        while True:
            has_output = self._transfer(_POLL_SECONDS)
            now = time.monotonic()
            if self._process_tree.exit_code is not None:
                drain_until = drain_until or now + _DRAIN_SECONDS
                if not has_output or now >= drain_until:
                    return ""
            elif cancel.cancelled:
                return "stopped by the user"
            elif self._stdout.full or self._stderr.full:
                return f"stopped after {MAX_CAPTURED >> 20} MiB of output"
            elif now >= deadline:
                return f"stopped after {seconds:g} s"

    def _transfer(self, seconds: float) -> bool:
        """Move what can be moved within so many seconds; True if the program wrote anything."""
        has_output = False
        if not self._selector.get_map():
            self._process_tree.wait(seconds)
        else:
            for key, _ in self._selector.select(seconds):
                if key.data is None:
                    self._write_stdin(key.fileobj)
                elif data := os.read(key.fd, _CHUNK):
                    key.data.feed(data)
                    has_output = True
                else:
                    self._selector.unregister(key.fileobj)
        return has_output

    def _write_stdin(self, stdin: Any) -> None:
        """Write a piece of the input; the pipe is closed after the last, and where the program reads no more."""
        try:
            self._stdin = self._stdin[os.write(stdin.fileno(), self._stdin[:_CHUNK]) :]
        except BlockingIOError:
            return
        except OSError:
            self._stdin = memoryview(b"")
        if not self._stdin:
            self._selector.unregister(stdin)
            stdin.close()


def _exit_text(code: int | None) -> str:
    if not code:
        return "" if code == 0 else "it did not end"
    if code > 0:
        return f"exit code {code}"
    return f"ended by {signal.Signals(-code).name if -code in set(signal.Signals) else f'signal {-code}'}"
