"""A transcript checked without running anything: its own diagnostics, its agent's errors, and warnings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from runner.config.diagnostics import Diagnostic, Location, Severity
from runner.config.loader import check_agent
from runner.config.paths import is_suite_name
from runner.core.errors import ConfigError
from runner.core.spelling import nearest
from runner.transcripts.expectations.evaluate import VACUOUS, is_vacuous
from runner.transcripts.files.loader import load_transcript
from runner.transcripts.files.names import expectations_of, name_diagnostics
from runner.transcripts.files.suite_file import SuiteFiles
from runner.transcripts.model import Transcript


def check_file(path: Path, suite_files: SuiteFiles | None = None) -> list[Diagnostic]:
    """Every diagnostic of a transcript (or suite) and of its agent; warnings of edits by hand and of turns now gone."""
    try:
        if is_suite_name(path.name):
            (suite_files or SuiteFiles()).defaults(path.parent)
            return []
        transcript = load_transcript(path, suite_files)
    except ConfigError as error:
        return list(error.problems)
    agent = check_agent(transcript.agent, missing_variable="warning")
    return [
        *(name_diagnostics(transcript, agent.agent) if agent.agent is not None else ()),
        *_recording_diagnostics(transcript),
        *_vacuous_expectations(transcript),
        *(diagnostic for diagnostic in agent.diagnostics if diagnostic.severity == "error"),
    ]


def _recording_diagnostics(transcript: Transcript) -> Iterator[Diagnostic]:
    """What a replay of the recordings would find at once."""
    for recording in transcript.recordings:
        if recording.edited:
            hint = "record it again, or name it hand/NAME and delete its request:"
            yield _diagnostic(recording.location, "this recording was edited by hand", hint, "warning")
        for turn, location in transcript.unscripted_turns(recording):
            message = f"the recorded turn {turn} is not in the script"
            hint = nearest(turn, (scripted.id for scripted in transcript.turns)) or "record again"
            yield _diagnostic(location, message, hint, "error" if recording.by_hand else "warning")


def _vacuous_expectations(transcript: Transcript) -> Iterator[Diagnostic]:
    for expectation in expectations_of(transcript):
        try:
            vacuous = not expectation.templated and is_vacuous(expectation)
        except ValueError:
            continue  # broken, which a replay tells
        if vacuous:
            yield _diagnostic(expectation.location, f"{expectation.kind}: {VACUOUS}", "", "warning")


def _diagnostic(location: Location, message: str, hint: str, severity: Severity) -> Diagnostic:
    return Diagnostic(str(location.path), location.line, location.column, message, hint, severity)
