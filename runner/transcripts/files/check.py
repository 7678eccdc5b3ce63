"""What `check` says of a transcript: everything that can be found without running anything."""

from __future__ import annotations

from pathlib import Path

from runner.config.diagnostics import Diagnostic
from runner.config.loader import examine
from runner.core.errors import ConfigError
from runner.transcripts.files.loader import SUITE_FILE, Suites, load_transcript
from runner.transcripts.model import Transcript


def check_file(path: Path, suites: Suites | None = None) -> list[Diagnostic]:
    """Every problem of a transcript (or suite) and of its agent; warnings of edits by hand and of turns now gone."""
    try:
        if path.name == SUITE_FILE:
            (suites or Suites()).above(path.parent)
            return []
        transcript = load_transcript(path, suites)
    except ConfigError as error:
        return list(error.problems)
    agent = examine(transcript.agent, missing_variable="warning")
    return [*_warnings(transcript), *(each for each in agent.diagnostics if each.severity == "error")]


def _warnings(transcript: Transcript) -> list[Diagnostic]:
    ids = {turn.id for turn in transcript.turns}
    found = []
    for recording in transcript.recordings:
        location = recording.location
        if recording.edited:
            message = "this recording was edited by hand"
            hint = "record it again, or name it hand/NAME"
            found.append(Diagnostic(str(location.path), location.line, location.column, message, hint, "warning"))
        for turn in recording.turns:
            if turn not in ids:
                message = f"the recorded turn {turn} is not in the script"
                hint = "name the turn so, or record again"
                found.append(Diagnostic(str(location.path), location.line, location.column, message, hint, "warning"))
    return found
