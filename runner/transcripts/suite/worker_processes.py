"""Replaying in several processes: each takes shares of neighbouring files, and the outcomes keep the order of files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from runner.transcripts.outcome import Outcome
from runner.transcripts.suite.selection import Selection

# Where it is sound, a fork spares each process the start and the imports.
_START_METHOD = "fork" if sys.platform == "linux" else "spawn"
_MAX_SHARE = 50

Replay = Callable[[Sequence[Path], Selection], Iterable[Outcome]]


def replay_in_processes(replay: Replay, paths: Sequence[Path], selection: Selection, jobs: int) -> Iterator[Outcome]:
    """The outcomes of `replay` over shares of the files, in `jobs` processes; `replay` is a function of a module.

    Neighbours share a process, so that an agent file of many transcripts is read few times.
    """
    size = max(1, min(_MAX_SHARE, -(-len(paths) // (jobs * 4))))
    shares = [paths[start : start + size] for start in range(0, len(paths), size)]
    with ProcessPoolExecutor(jobs, mp_context=get_context(_START_METHOD)) as pool:
        try:
            for outcomes in pool.map(partial(_replay_share, replay, selection), shares):
                yield from outcomes
        finally:
            pool.shutdown(cancel_futures=True)


def _replay_share(replay: Replay, selection: Selection, paths: Sequence[Path]) -> list[Outcome]:
    """A share's outcomes up to the first bad one if `fail_fast` is set, since none after it is used."""
    outcomes: list[Outcome] = []
    for outcome in replay(paths, selection):
        outcomes.append(outcome)
        if selection.fail_fast and outcome.verdict not in ("pass", "not-run"):
            break
    return outcomes
