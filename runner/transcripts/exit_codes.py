"""Verdicts on a replayed cell, the exit code of each, and the one exit code of a whole suite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from runner.transcripts.outcome import Outcome

Verdict = Literal["pass", "fail", "stale", "missing", "tool-drift", "drift", "not-run", "error"]

VERDICT_EXIT_CODES: Mapping[Verdict, int] = {
    "error": 0,  # the cell could not be run: the error's own exit code
    "fail": 1,  # an expectation does not hold, or the engine asked or called otherwise than recorded
    "tool-drift": 1,  # a tool gives another result than was recorded
    "drift": 0,  # live, the expectations hold, but by other tool calls than recorded
    "missing": 3,  # there is no recording of this model
    "stale": 3,  # the prompt, the tools, the options or the messages are no longer what was recorded
    "not-run": 5,  # nothing was judged
    "pass": 0,  # everything judged holds
}
"""The exit code of each verdict, the worst verdict first."""

WORST_FIRST: tuple[Verdict, ...] = tuple(VERDICT_EXIT_CODES)

_PRECEDENCE = (2, 70, 6, 1, 4, 3)


def exit_code(outcomes: Iterable[Outcome]) -> int:
    """The exit code of a run: the user's file, then failures, the infrastructure, staleness, and 5 if nothing ran."""
    codes = {outcome.exit_code or VERDICT_EXIT_CODES[outcome.verdict] for outcome in outcomes}
    unlisted = sorted(codes - {0, 5, *_PRECEDENCE})
    worst = next((code for code in (*unlisted, *_PRECEDENCE) if code in codes), None)
    return worst if worst is not None else 0 if 0 in codes else 5
