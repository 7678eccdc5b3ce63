"""Stopping works from any thread, at once, and once."""

from __future__ import annotations

import threading
import time

import pytest

from runner.core.cancel import Cancel, Cancelled


def test_a_wait_ends_when_somebody_stops_it():
    cancel = Cancel()
    threading.Timer(0.05, cancel.cancel).start()
    started = time.monotonic()
    with pytest.raises(Cancelled):
        cancel.wait(30)
    assert time.monotonic() - started < 10
    with pytest.raises(Cancelled):
        cancel.check()


def test_callbacks_run_once_while_their_block_is_open_and_one_that_fails_stops_no_other():
    cancel, ran = Cancel(), []

    def broken() -> None:
        raise OSError("closed already")

    with cancel.on_cancel(lambda: ran.append("over")):
        pass
    with cancel.on_cancel(broken), cancel.on_cancel(lambda: ran.append("open")):
        cancel.cancel()
        cancel.cancel()
    with cancel.on_cancel(lambda: ran.append("late")):
        pass
    with cancel.on_cancel(broken):
        pass
    assert ran == ["open", "late"]
