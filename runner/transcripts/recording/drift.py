"""Drift: a live run in which the expectations hold, but by other tool calls than recorded."""

from __future__ import annotations

from runner.transcripts.expectations.matchers import json_line
from runner.transcripts.model import Recording
from runner.transcripts.outcome import Finding, Outcome
from runner.transcripts.recording.live_run import LiveRun


def outcome_with_drift(run: LiveRun, recording: Recording | None) -> Outcome:
    """The run's outcome; if it passed and the recorded calls were others, with a finding that shows both."""
    outcome = run.outcome
    if recording is None or outcome.verdict != "pass":
        return outcome
    recorded, today = _calls(recording), _calls(run.recording)
    if recorded == today:
        return outcome
    diff = "\n".join([*(f"-{call}" for call in recorded), *(f"+{call}" for call in today)])
    finding = Finding(
        "drift", "path", "the expectations hold, by other tool calls than recorded", outcome.location, "", diff
    )
    return outcome._replace(findings=(*outcome.findings, finding))


def _calls(recording: Recording) -> list[str]:
    replies = (reply for replies in recording.turns.values() for reply in replies)
    return [f"{call.name}({json_line(call.arguments)})" for reply in replies for call in reply.calls]
