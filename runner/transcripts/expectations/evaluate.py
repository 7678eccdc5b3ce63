"""Evaluating expectations on the result of a turn: what holds, what does not, and what cannot be evaluated here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from runner.core.bounded_regex import RegexTime, regex_time
from runner.core.errors import ConfigError, UsageError
from runner.transcripts.expectations import PASSED, ExpectationKind, Result, expectation_kind
from runner.transcripts.expectations.matchers import json_line
from runner.transcripts.expectations.turn_result import TurnResult, conversation_result, redacted_result
from runner.transcripts.model import Expectation, RecordedReply, ScriptTurn
from runner.transcripts.outcome import Finding
from runner.transcripts.redaction import Redactor

VACUOUS = "nothing could break this, so it proves nothing"


@dataclass(slots=True)
class Evaluation:
    """The expectations of one cell that were evaluated so far: `held` of `judged` hold.

    `captured` are the named groups of regexes. `redact` takes secrets out of findings, since reports are files too.
    `broken`: one of them is, by a mistake in the file. The regular expressions of a cell share one time.
    """

    redact: Redactor
    held: int = 0
    judged: int = 0
    findings: list[Finding] = field(default_factory=list)
    captured: dict[str, str] = field(default_factory=dict)
    broken: bool = False
    _regex_time: RegexTime = field(default_factory=RegexTime)

    def evaluate(self, expectations: Sequence[Expectation], result: TurnResult, turn_id: str) -> None:
        """Evaluate each of the expectations on the turn's result."""
        result = redacted_result(result, self.redact.value) if result.live else result
        with regex_time(self._regex_time):
            for expectation in expectations:
                self._add_result(expectation, evaluate(expectation, result), turn_id)

    def evaluate_golden(self, replies: Sequence[RecordedReply], result: TurnResult, turn: ScriptTurn) -> None:
        """Evaluate a turn without expectations: it must equal the recording."""
        from runner.transcripts.expectations.golden import compare_with_recording  # lazy: most turns expect something

        compared = compare_with_recording(replies, result)
        if compared.state == "not_run":
            self.add_finding(Finding("note", "golden", compared.why, turn.location, turn.id))
            return
        self.judged += 1
        if compared.state == "pass":
            self.held += 1
        else:
            self.add_finding(Finding("fail", "golden", compared.why, turn.location, turn.id, compared.diff))

    def evaluate_whole(
        self,
        expectations: Sequence[Expectation],
        render: Callable[[Sequence[Expectation]], Sequence[Expectation]],
        results: Sequence[TurnResult],
        missing_turn: str,
        turn_id: str,
    ) -> None:
        """Evaluate expectations of the conversation as a whole; where a turn of it is missing they are not run."""
        why = f"the conversation is not whole: the turn {missing_turn} was not held to its end" if missing_turn else ""
        rendered: Sequence[Expectation] = ()
        if not why and results:
            try:
                rendered = render(expectations)
            except ConfigError as error:
                if not self.failed:
                    raise
                why = f"not judged: {error.problems[0].text}"
        if why:
            for expectation in expectations:
                self.add_finding(Finding("note", expectation.kind, why, expectation.location, turn_id))
        elif results:
            self.evaluate(rendered, conversation_result(results), turn_id)

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

    @property
    def exit_code(self) -> int:
        """That of a mistake in the file, if an expectation is broken; else 0, and the findings decide."""
        return UsageError.exit_code if self.broken else 0

    def _add_result(self, expectation: Expectation, result: Result, turn_id: str) -> None:
        kind = expectation.kind
        if result.state == "not_run":
            self.add_finding(Finding("note", kind, result.why, expectation.location, turn_id))
            return
        self.judged += 1
        self.broken = self.broken or result.state == "broken"
        if result.state == "pass":
            self.held += 1
            self.captured.update(result.captured)
            return
        warns = expectation.severity == "warn" and result.state == "fail"
        level: Literal["warn", "fail"] = "warn" if warns else "fail"
        location = expectation.location
        self.add_finding(Finding(level, kind, result.why, location, turn_id, result.diff, result.actual))


def evaluate(expectation: Expectation, turn: TurnResult) -> Result:
    """The result of one expectation, with its modifiers `when` and `not`.

    What always holds is not run, since it proves nothing. `not` turns round what was judged, and nothing else.
    """
    if expectation.when != "both" and (expectation.when == "live") != turn.live:
        return Result("not_run", f"judged {'live' if expectation.when == 'live' else 'in replays'} only")
    kind, expected, normalize = expectation_kind(expectation.kind), expectation.expected, expectation.normalize
    if expectation.templated and (problem := _problem_once_rendered(kind, expected)):
        return Result("broken", f"{problem}: {json_line(expected)}")
    try:
        if is_vacuous(expectation):
            return Result("not_run", VACUOUS)
        result = kind.evaluate(expected, turn, normalize)
    except ValueError as error:
        return Result("broken", str(error))
    if not expectation.negated or result.crashed or result.state not in ("pass", "fail"):
        return result
    if result.state == "fail":
        return PASSED
    return Result("fail", f"not: {expectation.kind} {json_line(expected)} holds, and must not")


def is_vacuous(expectation: Expectation) -> bool:
    """Whether the expectation holds whatever the model and the agent do."""
    kind = expectation_kind(expectation.kind)
    test = kind.never_holds if expectation.negated else kind.always_holds
    return test(expectation.expected, expectation.normalize)


def _problem_once_rendered(kind: ExpectationKind, expected: Any) -> str:
    """What is wrong with a value whose templates are filled in; the file was checked with the templates in it."""
    from runner.core.json_schema import JsonSchema  # lazy: few expectations hold a template

    violations = JsonSchema(kind.schema).violations(expected, 1)
    return violations[0].message if violations else kind.problem(expected)


def expects_error(expectations: Iterable[Expectation]) -> bool:
    """One of the expectations is about how the turn fails, so that an error is no failure by itself."""
    return any(expectation_kind(expectation.kind).expects_errors for expectation in expectations)


def expects_failure(replies: Sequence[RecordedReply]) -> bool:
    """The recorded turn ends in a failure itself, so that a failure is expected of its replay."""
    return bool(replies) and (replies[-1].error is not None or replies[-1].finish in ("incomplete", "content_filter"))
