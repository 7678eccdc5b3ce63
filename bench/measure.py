"""Interleaved measurements and their medians: absolute times drift on a shared machine, ratios hold."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median


def seconds(job: Callable[[], object]) -> float:
    """Wall time of one run."""
    started = time.perf_counter()
    job()
    return time.perf_counter() - started


# As users have it: compiled modules are kept.
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def process(*arguments: str) -> Callable[[], object]:
    """A run of the interpreter with these arguments, its output thrown away."""

    def run() -> object:
        return subprocess.run(
            [sys.executable, *arguments],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_ENVIRONMENT,
        )

    return run


def until(text: bytes, *arguments: str) -> Callable[[], object]:
    """A run of the interpreter in a pseudo-terminal, until it has shown `text`; then it is killed."""

    def run() -> None:
        child, terminal = pty.fork()
        if child == 0:
            os.execve(sys.executable, [sys.executable, *arguments], _ENVIRONMENT | {"TERM": "dumb"})
        seen = b""
        while text not in seen:
            seen += os.read(terminal, 4096)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)

    return run


def against(floor: Callable[[], object], *jobs: Callable[[], object], runs: int = 11) -> list[float]:
    """The median time of the floor, then of each job, measured in turn; one round first that does not count."""
    every = (floor, *jobs)
    times: list[list[float]] = [[] for _ in every]
    for number in range(runs + 1):
        for job, spent in zip(every, times, strict=True):
            taken = seconds(job)
            if number:
                spent.append(taken)
    return [median(each) for each in times]


def tell(name: str, measured: float, floor: float, target: float, *, at_least: bool = False) -> None:
    """One line: the ratio, what it should reach, and the two times."""
    ratio = floor / measured if at_least else measured / floor
    good = ratio >= target if at_least else ratio <= target
    sign = "≥" if at_least else "≤"
    mark = "ok  " if good else "MISS"
    print(
        f"{mark} {name:<44} {ratio:5.2f} (target {sign} {target:g})   {measured * 1e3:8.2f} ms / {floor * 1e3:.2f} ms"
    )
