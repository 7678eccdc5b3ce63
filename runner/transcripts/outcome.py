"""Outcomes of a run: one a cell, with its findings, the parts that changed since the recording, and its verdict."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from runner.config.diagnostics import Location
from runner.transcripts.exit_codes import VERDICT_EXIT_CODES, Verdict, exit_code


class Finding(NamedTuple):
    """One deviation or note about a cell. `level`: fail, drift, warn, info or note (why something was not judged).

    `kind` is the expectation's key, or golden, extra-call, left-over, forbidden, unrecorded, tool-drift, as-recorded,
    code, model, error.
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
    def is_reported(self) -> bool:
        """It stands in the reports for machines, unlike the note of what was not judged."""
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
    """A part of what the model sees that is not what was recorded; `where` names the source line, if known."""

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

    `held` of `judged` expectations hold; `exit_code` is set for an error alone; `events_hash` only if asked for.
    `missing` is the command that would record it, if there is no recording; `written`: it has just been recorded.
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
    missing: str = ""
    exit_code: int = 0
    events_hash: str = ""
    written: bool = False

    @property
    def verdict(self) -> Verdict:
        """The worst verdict that the findings and changes give."""
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
        return "pass" if self.judged or self.written else "not-run"

    @property
    def is_bad(self) -> bool:
        """It makes a run fail: every report counts it so, `--failed` remembers it, and `--fail-fast` stops at it."""
        return self.verdict == "error" or VERDICT_EXIT_CODES[self.verdict] not in (0, VERDICT_EXIT_CODES["not-run"])

    def is_broken_by(self, finding: Finding) -> bool:
        """The finding makes it bad, and is not only told."""
        return finding.level == "fail" or finding.kind == "missing" or (finding.level == "drift" and not self.live)

    @property
    def name(self) -> str:
        """The cell's name, as `--failed` remembers it: the path, and the recording in brackets."""
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
