"""What came of a run, as values: findings, changed parts, one outcome a cell, and the exit code of them all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from runner.config.diagnostics import Location

Verdict = Literal["pass", "fail", "stale", "missing", "tool-drift", "drift", "not-run", "error"]

WORST_FIRST: tuple[Verdict, ...] = ("error", "fail", "tool-drift", "drift", "missing", "stale", "not-run", "pass")
MEANINGS: Mapping[Verdict, str] = {
    "error": "the cell could not be run",
    "fail": "an expectation does not hold, or the engine took another way",
    "tool-drift": "a tool gives another result than was recorded",
    "drift": "live, the expectations hold, but by other tool calls than recorded",
    "missing": "there is no recording of this model",
    "stale": "the prompt, the tools, the options or the messages are no longer what was recorded",
    "not-run": "nothing was judged",
    "pass": "everything judged holds",
}
_CODES: Mapping[Verdict, int] = {"fail": 1, "tool-drift": 1, "drift": 0, "missing": 3, "stale": 3, "not-run": 5}
_PRECEDENCE = (2, 70, 6, 1, 4, 3)


class Finding(NamedTuple):
    """One thing worth telling. `level`: fail, drift, warn, info or note (which says why something was not judged).

    `kind` is the expectation's key, or golden, extra-call, left-over, forbidden, unrecorded, tool-drift, as-recorded,
    error.
    `actual` is what could stand in the file instead of what failed.
    """

    level: Literal["fail", "drift", "warn", "info", "note"]
    kind: str
    what: str
    location: Location
    turn: str = ""
    diff: str = ""
    actual: str | int | None = None

    @property
    def grave(self) -> bool:
        """Worth a line in every report, unlike the note of what was not judged."""
        return self.level != "note" or self.kind == "missing"

    def to_dict(self) -> dict[str, Any]:
        return {
            "level": self.level,
            "kind": self.kind,
            "what": self.what,
            "file": str(self.location.path),
            "line": self.location.line,
            "column": self.location.column,
            "turn": self.turn,
            "diff": self.diff,
        }


class Change(NamedTuple):
    """A part of what the model sees that is not what was recorded; `where` names the line to blame, if it is known."""

    component: str
    turn: str
    reply: int
    location: Location
    where: str = ""
    diff: str = ""
    warns: bool = False

    def to_dict(self) -> dict[str, Any]:
        return {
            "component": self.component,
            "file": str(self.location.path),
            "line": self.location.line,
            "turn": self.turn,
            "reply": self.reply,
            "where": self.where,
            "diff": self.diff,
            "severity": "warn" if self.warns else "error",
        }


class Outcome(NamedTuple):
    """One cell: a transcript with one recording, or live with one model.

    `held` of `judged` expectations hold; `exit_code` is set for an error.
    """

    path: str
    recording: str
    location: Location
    findings: tuple[Finding, ...] = ()
    changes: tuple[Change, ...] = ()
    held: int = 0
    judged: int = 0
    turns: int = 0
    messages: int = 0
    seconds: float = 0.0
    recorded: str = ""
    live: bool = False
    missing: bool = False
    exit_code: int = 0
    trace: str = ""

    @property
    def verdict(self) -> Verdict:
        """The worst that can be said of the cell."""
        if self.exit_code:
            return "error"
        levels = {finding.level for finding in self.findings}
        if "fail" in levels:
            return "fail"
        if "drift" in levels:
            return "drift" if self.live else "tool-drift"
        if self.missing:
            return "missing"
        if any(not change.warns for change in self.changes):
            return "stale"
        return "pass" if self.judged else "not-run"

    @property
    def name(self) -> str:
        """The cell as people call it."""
        return f"{self.path} [{self.recording}]" if self.recording else self.path

    def to_dict(self) -> dict[str, Any]:
        return {
            "file": self.path,
            "line": self.location.line,
            "recording": self.recording,
            "verdict": self.verdict,
            "exit_code": exit_code((self,)),
            "live": self.live,
            "recorded": self.recorded,
            "turns": self.turns,
            "held": self.held,
            "judged": self.judged,
            "seconds": round(self.seconds, 6),
            "changes": [change.to_dict() for change in self.changes],
            "findings": [finding.to_dict() for finding in self.findings],
        }


def exit_code(outcomes: Iterable[Outcome]) -> int:
    """The exit code of a run: the user's file, then failures, the infrastructure, staleness, and 5 if nothing ran."""
    codes = {outcome.exit_code or _CODES.get(outcome.verdict, 0) for outcome in outcomes}
    for code in _PRECEDENCE:
        if code in codes:
            return code
    return 0 if 0 in codes else 5
