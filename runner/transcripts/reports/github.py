"""The GitHub report: workflow commands, which it shows beside the expectation's own line of a pull request."""

from __future__ import annotations

from collections.abc import Iterator

from runner.core.github_commands import workflow_command
from runner.transcripts.outcome import Outcome
from runner.transcripts.reports import SuiteResult


def render(run: SuiteResult) -> str:
    """The whole report."""
    return "".join(f"{line}\n" for outcome in run.outcomes for line in _cell(outcome))


def _cell(outcome: Outcome) -> Iterator[str]:
    for change in outcome.changes:
        where = f" at {change.where}" if change.where else ""
        body = f"{change.component} changed{where} since {outcome.recorded[:10]} ({outcome.recording})\n{change.diff}"
        command = "warning" if change.warns else "error"
        yield _command(command, str(change.location.path), change.location.line, 1, f"stale: {change.turn}", body)
    for finding in outcome.findings:
        if finding.is_reported:
            location = finding.location
            title = " › ".join(filter(None, (finding.turn, finding.kind)))
            body = f"{finding.what} ({outcome.recording})\n{finding.diff}"
            harmless = "notice" if finding.level == "info" else "warning"
            command = "error" if outcome.is_broken_by(finding) else harmless
            yield _command(command, str(location.path), location.line, location.column, title, body)


def _command(name: str, path: str, line: int, column: int, title: str, body: str) -> str:
    return workflow_command(name, body.strip(), file=path, line=max(1, line), col=max(1, column), title=title)
