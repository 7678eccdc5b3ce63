"""Reports: the outcomes of a run written in one format; one file a format, outcomes in, text out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import NamedTuple

from runner.transcripts.exit_codes import WORST_FIRST
from runner.transcripts.outcome import Outcome

FORMATS = (
    "console",
    "junit",
    "github",
    "json",
    "tap",
)


class SuiteResult(NamedTuple):
    """All outcomes of a run, in the order of their files; `colour` is for terminals that show it."""

    outcomes: Sequence[Outcome]
    seconds: float = 0.0
    colour: bool = False

    @property
    def counts(self) -> Mapping[str, int]:
        """How many cells came to each verdict that occurred, the worst first."""
        verdicts = [outcome.verdict for outcome in self.outcomes]
        return {verdict: verdicts.count(verdict) for verdict in WORST_FIRST if verdict in verdicts}


def report_renderer(name: str) -> Callable[[SuiteResult], str]:
    """The function that writes a report of this format."""
    render: Callable[[SuiteResult], str] = import_module(f"{__name__}.{name}").render
    return render
