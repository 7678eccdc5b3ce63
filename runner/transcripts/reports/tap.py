"""The Test Anything Protocol, version 14: a test a cell, the findings as diagnostics."""

from __future__ import annotations

from collections.abc import Iterator

from runner.core.sanitize import escape_line
from runner.transcripts.outcome import Outcome
from runner.transcripts.reports import SuiteResult


def render(run: SuiteResult) -> str:
    """The whole report."""
    lines = ["TAP version 14", f"1..{len(run.outcomes)}"]
    for number, outcome in enumerate(run.outcomes, 1):
        skipped = " # SKIP nothing was judged" if outcome.verdict == "not-run" else ""
        name = escape_line(outcome.name).replace("\\", "\\\\").replace("#", "\\#")
        lines.append(f"{'not ok' if outcome.is_bad else 'ok'} {number} - {name}{skipped}")
        if outcome.verdict not in ("pass", "not-run"):
            lines += _diagnostics(outcome)
    return "\n".join(lines) + "\n"


def _diagnostics(outcome: Outcome) -> Iterator[str]:
    yield "  ---"
    yield f"  verdict: {outcome.verdict}"
    yield "  findings:"
    for change in outcome.changes:
        yield from _item(str(change.location), f"{change.component} changed {change.where}".strip(), change.diff)
    for finding in outcome.findings:
        if finding.is_reported:
            yield from _item(str(finding.location), f"{finding.kind}: {finding.what}", finding.diff)
    yield "  ..."


def _item(at: str, message: str, diff: str) -> Iterator[str]:
    yield f"    - at: {_quoted(at)}"
    yield f"      message: {_quoted(' '.join(message.split()))}"
    if diff:
        yield "      diff: |2"
        yield from (f"        {escape_line(line)}" for line in diff.splitlines())


def _quoted(text: str) -> str:
    return "'" + escape_line(text).replace("'", "''") + "'"
