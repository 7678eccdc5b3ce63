"""A process and all that descends from it: known by a tag in the environment, and ended together.

A process group finds most of them; the tag also finds those that left the group. Without /proc the group must do.
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

_VARIABLE = "AGENT_RUN_PROCESS_TREE"
TERM_SECONDS = 2.0
KILL_SECONDS = 1.0
_PROC = Path("/proc")


class ProcessTree:
    """One process with a session of its own, and what descends from it."""

    def __init__(self, argv: list[str], *, env: Mapping[str, str], cwd: Path) -> None:
        """Start it with three pipes. Raises OSError, and UsageError where the system is not POSIX."""
        require_posix("programs as tools", "killpg")
        self._tag = os.urandom(12).hex()
        self.process = subprocess.Popen(
            [*_die_with_us_prefix(), *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**env, _VARIABLE: self._tag},
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
        return (*leader, *(pid for pid in _tagged(self._tag) if pid != self.process.pid))

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
        # Only while the leader is not reaped can nobody else own the group's number; where tags cannot be read, the
        # rest of the group is worth that small risk.
        if self.process.returncode is None or not _PROC.is_dir():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, how)
        for pid in _tagged(self._tag):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, how)


def _tagged(tag: str) -> Iterator[int]:
    """The process ids of those that have the tag in their environment."""
    entry_bytes = f"{_VARIABLE}={tag}".encode()
    with suppress(FileNotFoundError):
        for entry in _PROC.iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    if entry_bytes in (entry / "environ").read_bytes().split(b"\0"):
                        yield int(entry.name)


@cache
def _die_with_us_prefix() -> tuple[str, ...]:
    """A prefix by which the kernel kills the process when the thread that started it ends, where it can."""
    import shutil  # lazy: only where a process is started

    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return ()
    prefix = (setpriv, "--pdeathsig", "KILL", "--")
    # Smaller ones, busybox's for one, lack the option.
    tried = subprocess.run([*prefix, setpriv, "--version"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return () if tried.returncode else prefix
