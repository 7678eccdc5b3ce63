"""A transcript checked without running anything: its own diagnostics, its agent's errors, and warnings."""

from __future__ import annotations

from pathlib import Path

from runner.config.diagnostics import Diagnostic
from runner.config.loader import check_agent
from runner.core.errors import ConfigError
from runner.transcripts.files.loader import load_transcript
from runner.transcripts.files.suite_file import SUITE_FILE, SuiteFiles
from runner.transcripts.model import Recording, Transcript


def check_file(path: Path, suite_files: SuiteFiles | None = None) -> list[Diagnostic]:
    """Every diagnostic of a transcript (or suite) and of its agent; warnings of edits by hand and of turns now gone."""
    try:
        if path.name == SUITE_FILE:
            (suite_files or SuiteFiles()).defaults(path.parent)
            return []
        transcript = load_transcript(path, suite_files)
    except ConfigError as error:
        return list(error.problems)
    agent = check_agent(transcript.agent, missing_variable="warning")
    return [*_warnings(transcript), *(diagnostic for diagnostic in agent.diagnostics if diagnostic.severity == "error")]


def _warnings(transcript: Transcript) -> list[Diagnostic]:
    ids = {turn.id for turn in transcript.turns}
    warnings = []
    for recording in transcript.recordings:
        if recording.edited:
            message = "this recording was edited by hand"
            warnings.append(_warning(recording, message, "record it again, or name it hand/NAME"))
        for turn in recording.turns:
            if turn not in ids:
                message = f"the recorded turn {turn} is not in the script"
                warnings.append(_warning(recording, message, "name the turn so, or record again"))
    return warnings


def _warning(recording: Recording, message: str, hint: str) -> Diagnostic:
    location = recording.location
    return Diagnostic(str(location.path), location.line, location.column, message, hint, "warning")
