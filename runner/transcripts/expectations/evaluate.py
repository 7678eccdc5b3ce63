"""Evaluating expectations on the result of a turn: what holds, what does not, and what cannot be evaluated here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from runner.transcripts.expectations import PASSED, Result, expectation_kind
from runner.transcripts.expectations.matchers import json_line
from runner.transcripts.expectations.turn_result import TurnResult
from runner.transcripts.model import Expectation, RecordedReply, ScriptTurn
from runner.transcripts.outcome import Finding
from runner.transcripts.redaction import Redactor


@dataclass(slots=True)
class Evaluation:
    """The expectations of one cell that were evaluated so far: `held` of `judged` hold.

    `captured` are the named groups of regexes. `redact` takes secrets out of findings, since reports are files too.
    """

    redact: Redactor
    held: int = 0
    judged: int = 0
    findings: list[Finding] = field(default_factory=list)
    captured: dict[str, str] = field(default_factory=dict)

    def evaluate(self, expectations: Sequence[Expectation], result: TurnResult, turn_id: str) -> None:
        """Evaluate each of the expectations on the turn's result."""
        for expectation in expectations:
            self._add_result(expectation, evaluate(expectation, result), turn_id)

    def evaluate_golden(self, replies: Sequence[RecordedReply], result: TurnResult, turn: ScriptTurn) -> None:
        """Evaluate a turn without expectations: it must equal the recording."""
        from runner.transcripts.expectations.golden import compare_with_recording  # lazy: most turns expect something

        self.judged += 1
        compared = compare_with_recording(replies, result)
        if compared.state == "pass":
            self.held += 1
        else:
            self.add_finding(Finding("fail", "golden", compared.why, turn.location, turn.id, compared.diff))

    def add_finding(self, finding: Finding) -> None:
        """Add a finding, with secrets redacted in its texts."""
        redact, actual = self.redact, finding.actual
        self.findings.append(
            finding._replace(
                what=redact(finding.what),
                diff=redact(finding.diff),
                actual=redact(actual) if isinstance(actual, str) else actual,
            )
        )

    @property
    def failed(self) -> bool:
        return any(finding.level == "fail" for finding in self.findings)

    def _add_result(self, expectation: Expectation, result: Result, turn_id: str) -> None:
        if result.state == "not_run":
            self.add_finding(Finding("note", expectation.kind, result.why, expectation.location, turn_id))
            return
        self.judged += 1
        if result.state == "pass":
            self.held += 1
            self.captured.update(result.captured)
        else:
            kind, location = expectation.kind, expectation.location
            level: Literal["warn", "fail"] = "warn" if expectation.severity == "warn" else "fail"
            self.add_finding(Finding(level, kind, result.why, location, turn_id, result.diff, result.actual))


def evaluate(expectation: Expectation, turn: TurnResult) -> Result:
    """The result of one expectation, with its modifiers `when` and `not`."""
    if expectation.when != "both" and (expectation.when == "live") != turn.live:
        return Result("not_run", f"judged {'live' if expectation.when == 'live' else 'in replays'} only")
    result = expectation_kind(expectation.kind).evaluate(expectation.expected, turn, expectation.normalize)
    if not expectation.negated or result.state == "not_run":
        return result
    if result.state == "fail":
        return PASSED
    return Result("fail", f"not: {expectation.kind} {json_line(expectation.expected)} holds, and must not")


def expects_error(expectations: Iterable[Expectation]) -> bool:
    """One of the expectations is about how the turn fails, so that an error is no failure by itself."""
    return any(expectation_kind(expectation.kind).expects_errors for expectation in expectations)


def expects_failure(replies: Sequence[RecordedReply]) -> bool:
    """The recorded turn ends in a failure itself, so that a failure is expected of its replay."""
    return bool(replies) and (replies[-1].error is not None or replies[-1].finish in ("incomplete", "content_filter"))
