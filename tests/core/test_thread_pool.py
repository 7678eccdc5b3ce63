"""Jobs side by side: all answered, none waited for beyond its time, not too many at once."""

from __future__ import annotations

import threading
import time

import pytest

from runner.core.thread_pool import MAX_RUNNING, Job, side_by_side


def late(position: int) -> str:
    return f"late {position}"


def test_each_job_answers_as_it_ends():
    gate = threading.Event()
    found = side_by_side([Job(lambda: gate.wait(5) and "slow", 10), Job(lambda: "fast", 10)], late)
    assert next(found) == (1, "fast")
    gate.set()
    assert list(found) == [(0, "slow")]


def test_a_job_that_hangs_is_left_behind():
    gate = threading.Event()
    started = time.monotonic()
    found = dict(side_by_side([Job(lambda: str(gate.wait(30)), 0.05), Job(lambda: "here")], late))
    gate.set()
    assert found == {0: "late 0", 1: "here"} and time.monotonic() - started < 10


def test_a_job_without_seconds_runs_in_this_thread():
    found = dict(side_by_side([Job(threading.get_ident), Job(threading.get_ident, 5)], lambda position: 0))
    assert found[0] == threading.get_ident() != found[1]


def test_thousands_of_jobs_are_a_few_at_a_time_and_all_answered():
    lock, now, most = threading.Lock(), [0], [0]

    def job() -> str:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.001)
        with lock:
            now[0] -= 1
        return "done"

    found = dict(side_by_side([Job(job, 30)] * 500, late))
    assert len(found) == 500 and set(found.values()) == {"done"}
    assert most[0] <= MAX_RUNNING


@pytest.mark.parametrize("error", [TypeError("unhashable"), SystemExit(0), KeyboardInterrupt()])
def test_what_a_job_raises_is_raised_at_once(error: BaseException):
    def job() -> str:
        raise error

    started = time.monotonic()
    with pytest.raises(type(error)):
        dict(side_by_side([Job(job, 60)], late))
    assert time.monotonic() - started < 10
