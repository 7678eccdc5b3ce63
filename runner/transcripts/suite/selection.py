"""Which transcripts and cells of a run are selected, and how they run."""

from __future__ import annotations

from typing import NamedTuple

from runner.transcripts.model import Transcript


class Choice(NamedTuple):
    """What of the transcripts runs, and how. `only` holds `tag:NAME`, a turn's name, or part of a path.

    `cells` are names of cells (`--failed`); `model` is one GATEWAY/MODEL instead of all recordings.
    """

    only: tuple[str, ...] = ()
    cells: frozenset[str] | None = None
    model: str = ""
    chunking: str = "recorded"
    twice: bool = False
    fail_fast: bool = False
    trust: bool = False

    def takes(self, transcript: Transcript) -> bool:
        """One of `only` names this transcript."""
        return not self.only or any(_named(name, transcript) for name in self.only)


def _named(name: str, transcript: Transcript) -> bool:
    if name.startswith("tag:"):
        return name[4:] in transcript.tags
    ids = (turn.id for turn in transcript.turns)
    return name in str(transcript.path) or name in ids
