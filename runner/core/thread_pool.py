"""Jobs in parallel on daemon threads: one that hangs is abandoned when its time is up, and never holds the process."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

from runner.core.cancel import Cancel
from runner.core.foreign_code import run_foreign

T = TypeVar("T")

MAX_RUNNING = 32
CANCEL_SECONDS = 0.15


class Job(NamedTuple, Generic[T]):
    """`run` in a thread, for at most `seconds`; None runs it here and now, for what cannot block."""

    run: Callable[[], T]
    seconds: float | None = None


def side_by_side(
    jobs: Sequence[Job[T]], late: Callable[[int], T], cancel: Cancel | None = None
) -> Iterator[tuple[int, T]]:
    """Yield (position, value) as each job ends; `late(position)` stands in for one that ran out of time.

    What a job raises is raised here, when it comes. No more than MAX_RUNNING run at a time; the seconds of the others
    begin when they do. After `cancel` the jobs have a moment to end by themselves, and are abandoned if they do not.
    """
    ended: queue.SimpleQueue[tuple[int, T | None, BaseException | None] | None] = queue.SimpleQueue()
    waiting: dict[int, float] = {}
    next_up = iter([(position, job, job.seconds) for position, job in enumerate(jobs) if job.seconds is not None])

    def fill() -> None:
        for position, job, seconds in islice(next_up, MAX_RUNNING - len(waiting)):
            waiting[position] = time.monotonic() + seconds
            thread = threading.Thread(target=_work, args=(job, position, ended), daemon=True, name=f"tool-{position}")
            thread.start()

    fill()
    for position, job in enumerate(jobs):
        if job.seconds is None:
            yield position, job.run()
    cancel = cancel or Cancel()
    with cancel.on_cancel(lambda: ended.put(None)):
        while waiting:
            try:
                result = ended.get(timeout=max(0.0, min(waiting.values()) - time.monotonic()))
            except queue.Empty:
                if cancel.cancelled:
                    return
                now = time.monotonic()
                for position in [each for each, deadline in waiting.items() if deadline <= now]:
                    del waiting[position]
                    yield position, late(position)
            else:
                if result is None:
                    waiting = dict.fromkeys(waiting, time.monotonic() + CANCEL_SECONDS)
                elif waiting.pop(result[0], None) is not None:
                    position, value, error = result
                    if error is not None:
                        raise error
                    yield position, value  # type: ignore[misc]
            if not cancel.cancelled:
                fill()


def _work(
    job: Job[T], position: int, ended: queue.SimpleQueue[tuple[int, T | None, BaseException | None] | None]
) -> None:
    ended.put((position, *run_foreign(job.run)))
