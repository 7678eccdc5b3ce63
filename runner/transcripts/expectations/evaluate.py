"""Expectations against facts: what holds, what does not, and what cannot be judged here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from runner.config.diagnostics import Location
from runner.transcripts.expectations import PASSED, Facts, Judged, kind
from runner.transcripts.expectations.matchers import same, show
from runner.transcripts.model import Expectation, RecordedReply, ScriptTurn
from runner.transcripts.outcome import Finding
from runner.transcripts.redaction import Redactor


@dataclass(slots=True)
class Tally:
    """What was judged so far: `held` of `judged` hold; `captured` are the named groups of regexes.

    `mask` takes secrets out of what is told, since reports are files, too.
    """

    mask: Redactor
    held: int = 0
    judged: int = 0
    findings: list[Finding] = field(default_factory=list)
    captured: dict[str, str] = field(default_factory=dict)

    def judge(self, expectations: Sequence[Expectation], facts: Facts, turn: str) -> None:
        """Judge each of the expectations."""
        for expectation in expectations:
            self.take(expectation, outcome(expectation, facts), turn)

    def take(self, expectation: Expectation, judged: Judged, turn: str) -> None:
        if judged.state == "not_run":
            self.note("note", expectation.kind, judged.why, expectation.location, turn)
            return
        self.judged += 1
        if judged.state == "pass":
            self.held += 1
            self.captured.update(judged.captured)
        else:
            level = "warn" if expectation.severity == "warn" else "fail"
            self.note(level, expectation.kind, judged.why, expectation.location, turn, judged.diff, judged.actual)

    def golden(self, replies: Sequence[RecordedReply], facts: Facts, said: ScriptTurn) -> None:
        """A turn without expectations: what is shown, called and finished must equal the recording."""
        self.judged += 1
        judged = _golden(replies, facts)
        if judged.state == "pass":
            self.held += 1
        else:
            self.note("fail", "golden", judged.why, said.location, said.id, judged.diff)

    def note(
        self, level: Any, kind: str, what: str, location: Location, turn: str = "", diff: str = "", actual: Any = None
    ) -> None:
        mask = self.mask
        actual = mask(actual) if isinstance(actual, str) else actual
        self.findings.append(Finding(level, kind, mask(what), location, turn, mask(diff), actual))

    @property
    def failed(self) -> bool:
        return any(finding.level == "fail" for finding in self.findings)


def outcome(expectation: Expectation, facts: Facts) -> Judged:
    """One expectation's outcome, its modifiers heeded."""
    if expectation.when != "both" and (expectation.when == "live") != facts.live:
        return Judged("not_run", f"judged {'live' if expectation.when == 'live' else 'in replays'} only")
    judged = kind(expectation.kind).judge(expectation.expected, facts, expectation.normalize)
    if not expectation.negated or judged.state == "not_run":
        return judged
    if judged.state == "fail":
        return PASSED
    return Judged("fail", f"not: {expectation.kind} {show(expectation.expected)} holds, and must not")


def _golden(replies: Sequence[RecordedReply], facts: Facts) -> Judged:
    if not replies:
        return PASSED
    last = replies[-1]
    calls = [call for reply in replies for call in reply.calls]
    dispatched = [(call.name, call.raw if call.arguments is None else call.arguments) for call in calls]
    made = [(call.name, call.raw if call.arguments is None else call.arguments) for call in facts.calls]
    if not same(dispatched, made) and last.error is None:
        from runner.transcripts.expectations.tools import shown  # lazy: for a failure

        wanted = "\n".join(f"-{name}({show(arguments)})" for name, arguments in dispatched)
        return Judged("fail", "other tools were called", wanted + "".join(f"\n+{shown(call)}" for call in facts.calls))
    if last.text != facts.text:
        from runner.transcripts.expectations.text import diff  # lazy: for a failure

        return Judged("fail", "the text is not the recorded one", diff(last.text, facts.text))
    ended = {facts.finish, facts.reason}
    if last.error is None and last.finish not in ended:
        return Judged("fail", f"the turn ended with {facts.finish or facts.reason}, recorded is {last.finish}")
    return PASSED


def recorded_failure(replies: Sequence[RecordedReply]) -> bool:
    """The recording itself ends the turn in a failure, so that a failure is what is expected."""
    return bool(replies) and (replies[-1].error is not None or replies[-1].finish in ("incomplete", "content_filter"))
