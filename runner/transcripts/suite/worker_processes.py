"""Running cells in several processes: shares of neighbouring files; one that dies costs the cell it was running."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import NamedTuple

from runner.config.diagnostics import Location
from runner.transcripts.outcome import Outcome
from runner.transcripts.suite.cell import Cell, OpenSource, cells_of, rare_garbage_collection, run_cells
from runner.transcripts.suite.child_process import CONTEXT, FORKS, how_it_ended, print_to_stderr

_MAX_SHARE = 50
_SECONDS_TO_END = 2


class _File(NamedTuple):
    """A file to run, by its position among all; its first `done` cells have run already."""

    position: int
    path: Path
    done: int = 0


class _Begun(NamedTuple):
    """A cell begins."""

    recording: str
    location: Location


class _Ended(NamedTuple):
    """The cell that began has run."""

    outcome: Outcome | None


_Message = _Begun | _Ended | None
"""What a worker tells, None at the end of a file."""


def run_in_processes(open_source: OpenSource, paths: Sequence[Path], jobs: int) -> Iterator[Outcome]:
    """The outcomes of a source's cells, in the order of the files, run in `jobs` processes, or as many as can start.

    Neighbours share a process, so that an agent file of many transcripts is read few times.
    """
    size = max(1, min(_MAX_SHARE, -(-len(paths) // (jobs * 4))))
    files = [_File(position, path) for position, path in enumerate(paths)]
    shares = deque(deque(files[start : start + size]) for start in range(0, len(files), size))
    found: list[list[Outcome]] = [[] for _ in files]
    finished: set[int] = set()
    workers: list[_Worker] = []
    next_file = 0
    try:
        with suppress(OSError, RuntimeError):  # the system's limit of processes, or a sandbox
            for _ in range(jobs):
                workers.append(_Worker(open_source, workers))
        if not workers:
            yield from run_cells(open_source, paths)
            return
        while next_file < len(files):
            for worker in workers:
                if not worker.share and shares:
                    worker.begin(shares.popleft())
            for worker in _readable(workers):
                file, outcomes, ended = worker.receive()
                found[file.position] += outcomes
                if ended:
                    finished.add(file.position)
            while next_file in finished:
                yield from found[next_file]
                next_file += 1
    finally:
        for worker in workers:
            worker.end()


def _readable(workers: Sequence[_Worker]) -> Iterator[_Worker]:
    busy = {worker.connection: worker for worker in workers if worker.share}
    return (busy[connection] for connection in wait(list(busy)) if isinstance(connection, Connection))


class _Worker:
    """A process that runs shares of files; started again if it dies. `share` are the files it has not finished."""

    def __init__(self, open_source: OpenSource, others: Sequence[_Worker]) -> None:
        self._open_source = open_source
        self._others = others
        self.share: deque[_File] = deque()
        self._running: _Begun | None = None
        self._idle_since_start = True
        self._start()

    def _start(self) -> None:
        self.connection, theirs = CONTEXT.Pipe()
        # A fork inherits our ends of all pipes: it closes them, so that each sees the end of its own.
        inherited = [worker.connection for worker in (*self._others, self)] if FORKS else []
        self._process = CONTEXT.Process(target=_work, args=(self._open_source, theirs, inherited))
        self._process.start()
        theirs.close()
        self._idle_since_start = True

    def begin(self, share: deque[_File]) -> None:
        """Run these files from now on."""
        self.share = share
        self._send()

    def _send(self) -> None:
        try:
            self.connection.send(list(self.share))
        except OSError:  # it has died: the next `receive` tells
            return

    def receive(self) -> tuple[_File, list[Outcome], bool]:
        """The file at which the worker is, what came of its cell, and whether it has finished the file."""
        file = self.share[0]
        try:
            message: _Message = self.connection.recv()
        except (EOFError, OSError):
            return self._died(file)
        self._idle_since_start = False
        match message:
            case _Begun():
                self._running = message
                return file, [], False
            case _Ended(outcome):
                self._running = None
                self.share[0] = file._replace(done=file.done + 1)
                return file, [outcome] if outcome is not None else [], False
        self.share.popleft()
        return file, [], True

    def _died(self, file: _File) -> tuple[_File, list[Outcome], bool]:
        """An error for the cell that ran; another process goes on with the next one, or the next file if none ran."""
        self._process.join()
        self.connection.close()
        running, self._running = self._running, None
        lost_file = running is None and self._idle_since_start
        outcomes = []
        if running is not None or lost_file:
            recording, location = running or _Begun("", Location(file.path, 1))
            outcomes = [
                Cell(file.path, recording, location, lambda: None).failed(how_it_ended(self._process.exitcode or 0))
            ]
        if lost_file:
            self.share.popleft()
        else:
            self.share[0] = file._replace(done=file.done + len(outcomes))
        self._start()
        if self.share:
            self._send()
        return file, outcomes, lost_file

    def end(self) -> None:
        """Stop the process, whatever it does."""
        self.connection.close()  # one that waits for more ends by itself
        steps = (self._process.terminate, self._process.kill) if self.share else (lambda: None, self._process.kill)
        for step in steps:
            step()
            self._process.join(_SECONDS_TO_END)
            if not self._process.is_alive():
                return


def _work(open_source: OpenSource, connection: Connection, inherited: Sequence[Connection]) -> None:
    """The life of a worker: it runs the files that it is given, until there are no more."""
    for other in inherited:
        other.close()
    print_to_stderr()
    source = open_source()
    try:
        with rare_garbage_collection():
            while True:
                for file in connection.recv():
                    for cell in cells_of(source, file.path)[file.done :]:
                        connection.send(_Begun(cell.recording, cell.location))
                        connection.send(_Ended(cell.outcome()))
                    connection.send(None)
    except (KeyboardInterrupt, EOFError, OSError):  # nobody waits for more
        source.close()
