"""A cell in a process of its own, where the code of others can end, spoil or hold up this cell alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from signal import Signals

from runner.core.errors import AgentRunError
from runner.transcripts.outcome import Outcome

# Where it is sound, a fork spares each process the start and the imports.
FORKS = sys.platform == "linux" and hasattr(os, "fork") and hasattr(os, "pidfd_open")
CONTEXT = get_context("fork") if FORKS else get_context("spawn")


def outcome_in_child(run: Callable[[], Outcome | None], close: Callable[[], None], seconds: float) -> Outcome | None:
    """What `run` and then `close` give in a forked process, which is killed if it has not ended after `seconds`.

    Where no process can be forked, it runs in this one. Raises AgentRunError for one that did not come to its end.
    """
    if not FORKS:
        return run()
    receiver, sender = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_work, args=(run, close, sender))
    try:
        process.start()
    except OSError:  # the system's limit of processes, or a sandbox
        return run()
    sender.close()
    # Not by the end of the pipe: what the cell itself forked may hold that open.
    ended = os.pidfd_open(process.pid or 0)
    try:
        if not wait([receiver, ended], seconds):
            raise _too_slow(seconds)
        with suppress(EOFError, OSError):
            if receiver.poll():
                outcome: Outcome | None = receiver.recv()
                return outcome
        process.join()
        raise how_it_ended(process.exitcode or 0)
    finally:
        process.kill()
        process.join()
        os.close(ended)
        receiver.close()


def _work(run: Callable[[], Outcome | None], close: Callable[[], None], sender: Connection) -> None:
    """The life of the process: it ends without a word to whatever the cell left behind, such as exit handlers."""
    process = os.getpid()
    print_to_stderr()
    leave, write = os._exit, sys.stderr.flush
    try:
        outcome = run()
        if os.getpid() == process:  # and not what the cell forked
            close()
            write()
            sender.send(outcome)
    finally:
        leave(0 if sys.exception() is None else 1)


def print_to_stderr() -> None:
    """What a check or a tool prints in this process is no part of the report."""
    sys.stdout = sys.stderr
    with suppress(OSError):
        os.dup2(2, 1)


def how_it_ended(exit_code: int) -> AgentRunError:
    """The error of a cell whose process ended."""
    if exit_code >= 0:
        how, why = f"ended with exit code {exit_code}", "a check or a tool ends the program, as os._exit does"
    else:
        name = Signals(-exit_code).name if -exit_code in set(Signals) else f"signal {-exit_code}"
        how, why = f"was ended by {name}", "it crashed, it was killed, or the memory was not enough"
    fix = "mend what ends it, or run it again: --failed takes what failed alone"
    return AgentRunError(f"the process that ran this cell {how}", why=why, fix=fix)


def _too_slow(seconds: float) -> AgentRunError:
    return AgentRunError(
        f"this cell did not end within {seconds:g} s, and was stopped",
        why="a check or a tool does not come to an end, or is far too slow",
        fix="mend it, and run the cell again: --failed takes what failed alone",
    )
