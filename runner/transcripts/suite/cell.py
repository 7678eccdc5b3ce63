"""A cell of a run, and its boundary: whatever running one raises is its own outcome, and no other's."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from runner.config.diagnostics import Location
from runner.core.foreign_code import run_foreign
from runner.transcripts.outcome import Outcome


class Cell(NamedTuple):
    """A transcript with one recording or model; `run` gives its outcome, None if there is nothing to tell.

    Where it may run the code of others, it runs in a process of its own, for at most `seconds`; `close` lets go there
    of what it opened.
    """

    path: Path
    recording: str
    location: Location
    run: Callable[[], Outcome | None]
    runs_code: bool = False
    close: Callable[[], None] = lambda: None
    seconds: float = 300

    def outcome(self) -> Outcome | None:
        """What came of it, an error if it raised. Raises nothing but the user's own KeyboardInterrupt."""
        if self.runs_code and sys.platform == "linux":
            from runner.transcripts.suite.child_process import outcome_in_child  # lazy: few cells run code

            outcome, error = run_foreign(lambda: outcome_in_child(self.outcome_here, self.close, self.seconds))
            return outcome if error is None else self.failed(error)
        return self.outcome_here()

    def outcome_here(self) -> Outcome | None:
        """What came of it in this process."""
        outcome, error = run_foreign(self.run)
        return outcome if error is None else self.failed(error)

    def failed(self, error: BaseException) -> Outcome:
        """Its outcome if this ended it."""
        from runner.transcripts.conversation.unrun_outcomes import error_outcome  # lazy: most cells run

        return error_outcome(self.path, error, self.recording, self.location)


class CellSource(Protocol):
    """Finds the chosen cells of a file, and lets go of what they share."""

    def cells(self, path: Path) -> Iterable[Cell]: ...
    def close(self) -> None: ...


OpenSource = Callable[[], CellSource]
"""Makes a source in the process that runs its cells."""


def cells_of(source: CellSource, path: Path) -> list[Cell]:
    """The chosen cells of a file; for one that cannot be read a cell that says so."""
    cells, error = run_foreign(lambda: list(source.cells(path)))
    if error is None:
        return cells or []
    broken = Cell(path, "", Location(path, 1), lambda: None)
    outcome = broken.failed(error)
    return [broken._replace(run=lambda: outcome)]


def run_cells(open_source: OpenSource, paths: Iterable[Path]) -> Iterator[Outcome]:
    """The outcomes of the files' chosen cells, one after the other, in this process."""
    source = open_source()
    try:
        with rare_garbage_collection():
            for path in paths:
                for cell in cells_of(source, path):
                    if (outcome := cell.outcome()) is not None:
                        yield outcome
    finally:
        source.close()


@contextmanager
def rare_garbage_collection() -> Iterator[None]:
    """Collect garbage less often within the block, since a replay leaves few reference cycles."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
