"""Processes that we start, and all that they start: known by a mark in their environment, ended together.

A process group finds most of them; the mark also finds those that left the group. Without /proc the group must do.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from runner.tools.posix import require_posix

MARK = "AGENT_RUN_OFFSPRING"
TERM_SECONDS = 2.0
KILL_SECONDS = 1.0
_PROC = Path("/proc")


class Offspring:
    """One process with a session of its own, and what descends from it."""

    def __init__(self, argv: list[str], *, env: Mapping[str, str], cwd: Path) -> None:
        """Start it with three pipes. Raises OSError, and UsageError where the system is not POSIX."""
        require_posix("programs as tools", "killpg")
        self._mark = os.urandom(12).hex()
        self.process = subprocess.Popen(
            [*_tied_to_us(), *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**env, MARK: self._mark},
            cwd=cwd,
            start_new_session=True,
            bufsize=0,
        )

    @property
    def exit_code(self) -> int | None:
        """None while it runs, negative for a signal."""
        return self.process.poll()

    def alive(self) -> tuple[int, ...]:
        """The process ids that still run, the first one's included."""
        leader = (self.process.pid,) if self.exit_code is None else ()
        return (*leader, *(each for each in marked(self._mark) if each != self.process.pid))

    def end(self) -> Iterator[float]:
        """Ask them to end, then make them; yields how long to wait before going on, five seconds in all at most."""
        for how, seconds in ((signal.SIGTERM, TERM_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
            self._signal(how)
            deadline = time.monotonic() + seconds
            pause = 0.005
            while self.alive():
                if time.monotonic() >= deadline:
                    break
                yield pause
                pause = min(0.1, pause * 2)
            else:
                return

    def _signal(self, how: signal.Signals) -> None:
        # Only while the leader is not reaped can nobody else own the group's number; where marks cannot be read, the
        # rest of the group is worth that small risk.
        if self.process.returncode is None or not _PROC.is_dir():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, how)
        for each in marked(self._mark):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(each, how)


def marked(mark: str) -> Iterator[int]:
    """The processes that carry the mark in their environment."""
    wanted = f"{MARK}={mark}".encode()
    with suppress(FileNotFoundError):
        for entry in _PROC.iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    if wanted in (entry / "environ").read_bytes().split(b"\0"):
                        yield int(entry.name)


@cache
def _tied_to_us() -> tuple[str, ...]:
    """A prefix by which the kernel kills the process when the thread that started it ends, where it can."""
    import shutil  # lazy: only where a process is started

    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return ()
    prefix = (setpriv, "--pdeathsig", "KILL", "--")
    # Smaller ones, busybox's for one, lack the option.
    tried = subprocess.run([*prefix, setpriv, "--version"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return () if tried.returncode else prefix
