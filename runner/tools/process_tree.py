"""A process and all that descends from it, started and ended together.

On Linux a supervisor stands above them (`supervisor.py`), below which they stay whatever they do. Elsewhere they are
known by their process group alone. Should a descendant end the supervisor, those remain that carry a tag in their
environment.
"""

from __future__ import annotations

import marshal
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from runner.tools import supervisor
from runner.tools.posix import require_posix

_VARIABLE = "AGENT_RUN_PROCESS_TREE"
_SUPERVISED = sys.platform == "linux"
TERM_SECONDS = 2.0
KILL_SECONDS = 1.0
_PROC = Path("/proc")


class ProcessTree:
    """One process with a session of its own, and what descends from it. `process` has its three pipes."""

    def __init__(self, argv: list[str], *, env: Mapping[str, str], cwd: Path) -> None:
        """Start it with three pipes. Raises OSError, and UsageError where the system is not POSIX."""
        require_posix("programs as tools", "killpg")
        if not os.path.isabs(argv[0]):  # noqa: PTH117 - a name alone would be looked for in the current folder
            raise FileNotFoundError(2, os.strerror(2), argv[0])
        if "\0" in "".join(argv):
            raise ValueError("an argument holds a NUL character")
        self._tag = os.urandom(12).hex()
        environment = {**env, _VARIABLE: self._tag}
        self._supervisor = _Supervisor() if _SUPERVISED else None
        if self._supervisor is not None:
            self.process = self._supervisor.start(argv, environment, cwd)
        else:
            self.process = _popen(argv, environment, cwd)

    @property
    def exit_code(self) -> int | None:
        """None while the first process runs, negative for a signal."""
        return self.process.poll() if self._supervisor is None else self._supervisor.exit_code()

    @property
    def lost(self) -> bool:
        """Whether the supervisor was ended, and some descendant may run on without being known."""
        return self._supervisor is not None and bool(self.process.poll())

    def wait(self, seconds: float) -> None:
        """Wait up to so long for the first process to end."""
        if self._supervisor is not None:
            self._supervisor.exit_code(seconds)
            return
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)

    def alive(self) -> tuple[int, ...]:
        """The process ids that still run, the first one's included."""
        if self._supervisor is None:
            leader = (self.process.pid,) if self.exit_code is None else ()
            return (*leader, *(pid for pid in _tagged(self._tag) if pid != self.process.pid))
        if self.process.poll() is None:
            return tuple(supervisor.descendants(self.process.pid))
        return () if self.process.returncode == 0 else tuple(_tagged(self._tag))

    def end(self) -> Iterator[float]:
        """Ask them to end, then make them; yields how long to wait before going on, five seconds in all at most."""
        for how, seconds in ((signal.SIGTERM, TERM_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
            self._signal(how)
            deadline = time.monotonic() + seconds
            pause = 0.005
            while self.alive():
                if time.monotonic() >= deadline:
                    break
                if how == signal.SIGKILL:  # what was started meanwhile, too
                    self._signal(how)
                yield pause
                pause = min(0.1, pause * 2)
            else:
                break
        if self._supervisor is not None:  # it ends once nothing is left, and makes sure of that
            self._supervisor.let_go()
            deadline = time.monotonic() + KILL_SECONDS
            while self.process.poll() is None and time.monotonic() < deadline:
                yield 0.005
            self._supervisor.exit_code()

    def _signal(self, how: signal.Signals) -> None:
        if self._supervisor is None and (self.process.returncode is None or not _PROC.is_dir()):
            # Only while the leader is not reaped can nobody else own the group's number; where tags cannot be read,
            # the rest of the group is worth that small risk.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, how)
        for pid in self.alive():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, how)


class _Supervisor:
    """The process that starts a program and stays above what descends from it."""

    def __init__(self) -> None:
        self._exit_code: int | None = None
        self._lines = b""

    def start(self, argv: list[str], environment: Mapping[str, str], cwd: Path) -> subprocess.Popen[bytes]:
        """The supervisor, with the program's pipes. Raises OSError, as starting the program itself does."""
        requests_read, requests = os.pipe()
        replies, replies_write = os.pipe()
        self._requests, self._replies = os.fdopen(requests, "wb", 0), os.fdopen(replies, "rb", 0)
        try:
            command = [sys.executable, "-I", "-S", supervisor.__file__, str(requests_read), str(replies_write)]
            self._process = _popen(command, {}, cwd, (requests_read, replies_write))
        finally:
            os.close(requests_read)
            os.close(replies_write)
        request = marshal.dumps((argv, dict(environment)))
        with suppress(BrokenPipeError):
            self._write(len(request).to_bytes(supervisor.LENGTH_BYTES, "little") + request)
        word, _, value = self._line(None).partition(b" ")
        if word != b"started" and self._process.wait() >= 0:  # unless the program killed it at once
            for pipe in (self._requests, self._replies, *_pipes(self._process)):
                pipe.close()
            number = int(value or 5)
            raise OSError(number, os.strerror(number), argv[0])
        return self._process

    def exit_code(self, seconds: float = 0) -> int | None:
        """How the program ended, after waiting for that up to so long; None while it runs."""
        if self._exit_code is None:
            line = self._line(seconds)
            if line.startswith(b"exit "):
                self._exit_code = int(line[5:])
            elif self._process.poll() is not None:  # ended by what it looked after
                self._exit_code = self._process.returncode or 1
            if self._exit_code is not None:
                self._replies.close()
        return self._exit_code

    def let_go(self) -> None:
        """Let it end what is left."""
        self._requests.close()

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self._requests.fileno(), left) :]

    def _line(self, seconds: float | None) -> bytes:
        """The next line that it tells, waited for up to so long; nothing if there is none."""
        while b"\n" not in self._lines:
            if not select.select([self._replies], [], [], seconds)[0]:
                return b""
            if not (data := self._replies.read(4096)):
                return b""
            self._lines += data
        line, _, self._lines = self._lines.partition(b"\n")
        return line


def _popen(
    argv: list[str], environment: Mapping[str, str], cwd: Path, descriptors: tuple[int, ...] = ()
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=cwd,
        start_new_session=True,
        bufsize=0,
        pass_fds=descriptors,
    )


def _pipes(process: subprocess.Popen[bytes]) -> Iterator[IO[bytes]]:
    return (pipe for pipe in (process.stdin, process.stdout, process.stderr) if pipe is not None)


def _tagged(tag: str) -> Iterator[int]:
    """The process ids of those that have the tag in their environment."""
    entry_bytes = f"{_VARIABLE}={tag}".encode()
    with suppress(FileNotFoundError):
        for entry in _PROC.iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    if entry_bytes in (entry / "environ").read_bytes().split(b"\0"):
                        yield int(entry.name)
