"""Which transcripts and cells of a run are selected, and how they run."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from runner.transcripts.model import Transcript
from runner.transcripts.suite.last_failures import remembered_name


class Selection(NamedTuple):
    """Which transcripts and cells run, and how. `only` holds `tag:NAME`, a turn's name, or part of a path.

    `cells` are names of cells (`--failed`); `model` is one GATEWAY/MODEL instead of all recordings.
    """

    only: tuple[str, ...] = ()
    cells: frozenset[str] | None = None
    model: str = ""
    chunking: str = "recorded"
    twice: bool = False
    fail_fast: bool = False
    trust: bool = False

    def includes(self, transcript: Transcript) -> bool:
        """One of `only` names this transcript, or all are included."""
        return not self.only or any(_is_named(name, transcript) for name in self.only)

    def includes_cell(self, path: Path, recording: str) -> bool:
        """The cell is one of `cells`, or its whole file is; or all are included."""
        names = map(remembered_name, (f"{path} [{recording}]", str(path)))
        return self.cells is None or not self.cells.isdisjoint(names)


def _is_named(name: str, transcript: Transcript) -> bool:
    if name.startswith("tag:"):
        return name[4:] in transcript.tags
    ids = (turn.id for turn in transcript.turns)
    return name in str(transcript.path) or name in ids
