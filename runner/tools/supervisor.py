"""The process between us and a program, run as a script on Linux: what the program starts stays below this process.

As its subreaper, it becomes the parent of what a descendant leaves behind, also with a session and an environment of
its own. It holds nothing of the program's, tells how the program ended, and ends by itself when no descendant is left;
when its own parent lets go of the pipe or is gone, it ends all of them.

Arguments: the pipe that gives the request, its length in eight bytes and then (argv, environment); and the pipe that
takes lines: `started PID` or `error ERRNO`, and later `exit STATUS`, negative for a signal.
"""

from __future__ import annotations

import marshal
import os
import select
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NoReturn

LENGTH_BYTES = 8
_PR_SET_CHILD_SUBREAPER = 36
_KILL_SECONDS = 10.0
_PROC = "/proc"


def main() -> None:
    """Start the program, look after it and its descendants, and end them where nobody wants them any more."""
    import ctypes  # lazy: for this process alone

    requests, replies = (int(argument) for argument in sys.argv[1:3])
    os.set_inheritable(requests, False)
    os.set_inheritable(replies, False)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    length = int.from_bytes(_read(requests, LENGTH_BYTES), "little")
    argv, environment = marshal.loads(_read(requests, length))
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    program = _start(argv, environment, replies)
    while _reap(program, replies):
        ready, _, _ = select.select([woken, requests], [], [])
        if requests in ready:
            _kill_all(program, replies)
            return
        os.read(woken, 4096)


def descendants(ancestor: int) -> list[int]:
    """The process ids of all that descend from a process and have not ended, children before grandchildren."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found = [ancestor]
    for pid in found:  # which grows meanwhile
        found += children.get(pid, ())
    return found[1:]


def _parents() -> Iterator[tuple[int, int]]:
    """Each process that has not ended, and its parent."""
    for name in os.listdir(_PROC):  # noqa: PTH208 - for a process that must start quickly
        if name.isdigit():
            with suppress(OSError), open(f"{_PROC}/{name}/stat", "rb") as file:
                state, parent = file.read().rpartition(b")")[2].split()[:2]
                if state not in (b"Z", b"X"):
                    yield int(name), int(parent)


def _read(pipe: int, size: int) -> bytes:
    """So many bytes; the process ends where its parent is gone before."""
    data = b""
    while len(data) < size:
        if not (piece := os.read(pipe, size - len(data))):
            sys.exit(1)
        data += piece
    return data


def _start(argv: list[str], environment: Mapping[str, str], replies: int) -> int:
    """Start the program in a session of its own, tell whether that worked, and let go of its pipes."""
    failed, failing = os.pipe()
    program = os.fork()
    if not program:
        _become(argv, environment, failing)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.close(failing)
    error = os.read(failed, 16)
    with suppress(OSError):  # whoever asked is gone already: the closed pipe of requests then ends what was started
        os.write(replies, b"error %b\n" % error if error else b"started %d\n" % program)
    if error:
        sys.exit(1)
    return program


def _become(argv: list[str], environment: Mapping[str, str], failing: int) -> NoReturn:
    """Turn the forked process into the program."""
    error = 0
    try:
        signal.set_wakeup_fd(-1)
        for each in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):  # as a program expects them
            signal.signal(each, signal.SIG_DFL)
        os.setsid()
        os.execve(argv[0], argv, environment)
    except OSError as problem:
        error = problem.errno or 0
    finally:
        os.write(failing, b"%d" % error)
        os._exit(127)


def _reap(program: int, replies: int) -> bool:
    """Take note of all that have ended; False when none is left."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if not pid:
            return True
        if pid == program:
            with suppress(OSError):
                os.write(replies, b"exit %d\n" % os.waitstatus_to_exitcode(status))


def _kill_all(program: int, replies: int) -> None:
    deadline = time.monotonic() + _KILL_SECONDS
    while _reap(program, replies) and time.monotonic() < deadline:
        for pid in descendants(os.getpid()):
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)


if __name__ == "__main__":
    main()
