"""The outcomes of cells that do not run to their end: without a recording, with a broken file, or after a crash."""

from __future__ import annotations

from pathlib import Path

from runner.config.agent import Agent
from runner.config.diagnostics import Diagnostic, Location
from runner.core.error_report import error_report
from runner.core.errors import ConfigError
from runner.transcripts.conversation.run_context import declared_models
from runner.transcripts.model import Transcript
from runner.transcripts.outcome import Finding, Outcome


def missing_outcome(transcript: Transcript, agent: Agent, model: str) -> Outcome:
    """The outcome of a cell that was never recorded; its finding says what records it."""
    machine = [recording.name for recording in transcript.recordings if not recording.by_hand]
    first, *fallbacks = declared_models(agent)
    what = f"there is no recording of {model}"
    if model in fallbacks:
        what += f", a fallback of {agent.path}"
    if machine:
        what += f"; the file has {', '.join(machine)}"
    record = f"record {transcript.path}"
    if model not in (transcript.models or (first,)):
        gateway, _, name = model.partition("/")
        record = f"record --gateway {gateway} --model {name} {transcript.path}"
        what += "\nIf it needs none, list in the transcript those that do:  models: [GATEWAY/MODEL]"
    finding = Finding("note", "missing", what, transcript.location)
    return Outcome(str(transcript.path), model, transcript.location, (finding,), missing=record)


def error_outcome(path: Path, error: BaseException, recording: str = "", location: Location | None = None) -> Outcome:
    """The outcome of a cell that cannot be run, or that raised whatever it did."""
    location = location or Location(path, 1)
    if isinstance(error, ConfigError) and error.problems:
        findings = tuple(_file_finding(each) for each in error.problems)
        return Outcome(str(path), recording, location, findings, exit_code=error.exit_code)
    text, exit_code = error_report(error)
    return Outcome(str(path), recording, location, (Finding("fail", "error", text, location),), exit_code=exit_code)


def _file_finding(diagnostic: Diagnostic) -> Finding:
    return Finding("fail", "file", diagnostic.text, Location(Path(diagnostic.path), diagnostic.line, diagnostic.column))
