"""The outcomes of cells that do not run: without a recording, or with a file or an agent that is broken."""

from __future__ import annotations

from pathlib import Path

from runner.config.diagnostics import Diagnostic, Location
from runner.core.errors import AgentRunError, ConfigError
from runner.transcripts.model import Transcript
from runner.transcripts.outcome import Finding, Outcome


def missing_outcome(transcript: Transcript, name: str) -> Outcome:
    """The outcome of a cell that was never recorded."""
    machine = [recording.name for recording in transcript.recordings if not recording.by_hand]
    others = f"; the file has {', '.join(machine)}" if machine else ""
    finding = Finding("note", "missing", f"there is no recording of {name}{others}", transcript.location)
    return Outcome(str(transcript.path), name, transcript.location, (finding,), missing=True)


def error_outcome(path: Path, error: AgentRunError, recording: str = "", location: Location | None = None) -> Outcome:
    """The outcome of a cell that cannot be run."""
    location = location or Location(path, 1)
    if isinstance(error, ConfigError):
        findings = tuple(_file_finding(each) for each in error.problems)
    else:
        findings = (Finding("fail", "error", str(error), location),)
    return Outcome(str(path), recording, location, findings, exit_code=error.exit_code)


def _file_finding(diagnostic: Diagnostic) -> Finding:
    return Finding("fail", "file", diagnostic.text, Location(Path(diagnostic.path), diagnostic.line, diagnostic.column))
