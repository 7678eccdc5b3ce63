"""A transcript file as a value: read, checked by the schema, parsed; every diagnostic at its line, all at once."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from runner.config.diagnostics import Diagnostic
from runner.config.text_file import read_text
from runner.config.validation.schema import schema_violations
from runner.config.yaml.document import Document
from runner.config.yaml.parser import load_documents
from runner.core.errors import ConfigError
from runner.transcripts.files.blobs import Blobs
from runner.transcripts.files.documents import MAX_BYTES, MAX_VALUES
from runner.transcripts.files.recording_parser import parse_recording
from runner.transcripts.files.script_parser import (
    parse_expectations,
    parse_inputs,
    parse_redact_patterns,
    parse_turns,
)
from runner.transcripts.files.source_document import SourceDocument
from runner.transcripts.files.suite_file import SuiteDefaults, SuiteFiles
from runner.transcripts.model import FORMAT_VERSION, Recording, Transcript

_MERGE_CONFLICT = r"(?m)^(?:<{7}|={7}|>{7})(?: |$)"


def load_transcript(path: Path, suite_files: SuiteFiles | None = None) -> Transcript:
    """The transcript in a file. Raises ConfigError with every diagnostic."""
    documents = _documents(path, read_text(path, MAX_BYTES))
    diagnostics: list[Diagnostic] = []
    sources = [SourceDocument(document, path, diagnostics) for document in documents]
    _check_schema(sources)
    if diagnostics:
        raise ConfigError(sorted(diagnostics))
    defaults = (suite_files or SuiteFiles()).defaults(path.parent)
    transcript = _transcript(sources[0], defaults, _recordings(sources[1:], Blobs(path.parent)))
    if diagnostics:
        raise ConfigError(sorted(diagnostics))
    return transcript


def _documents(path: Path, text: str) -> tuple[Document, ...]:
    """The file's documents, at least one. Raises ConfigError."""
    if "<<<<<<<" in text and (conflict := re.search(_MERGE_CONFLICT, text)):
        line = text.count("\n", 0, conflict.start()) + 1
        raise ConfigError(
            [Diagnostic(str(path), line, 1, "a merge conflict is left here", "resolve it, then re-record")]
        )
    documents = load_documents(path, text=text, max_nodes=MAX_VALUES)
    if not documents:
        raise ConfigError([Diagnostic(str(path), 1, 1, "the file is empty", "a transcript needs agent: and turns:")])
    return documents


def _check_schema(sources: Sequence[SourceDocument]) -> None:
    """Check each document by its part of the schema; for one of another version only the version is reported."""
    for position, source in enumerate(sources):
        kind, version_key = ("recording", "format") if position else ("script", "transcript")
        value = source.document.value
        if not isinstance(value, dict):
            source.report((), f"a {kind} is a mapping")
        elif not position and "transcript" not in value:
            source.report(
                (),
                "not a transcript: the first document has no transcript:",
                f"begin with transcript: {FORMAT_VERSION}",
            )
        elif (version := value.get(version_key, FORMAT_VERSION)) != FORMAT_VERSION:
            message = f"{kind} of format {version!r}: this agent-run reads format {FORMAT_VERSION}"
            source.report((version_key,), message, "re-record it")
        else:
            source.report_violations(schema_violations(value, "transcript", kind))


def _recordings(sources: Sequence[SourceDocument], blobs: Blobs) -> tuple[Recording, ...]:
    recordings: dict[str, Recording] = {}
    for source in sources:
        recording = parse_recording(source, blobs)
        if recording.name in recordings:
            first = recordings[recording.name].location.line
            source.report(("recording",), f"a recording of {recording.name} stands already at line {first}", "keep one")
        elif same := next((name for name in recordings if name.casefold() == recording.name.casefold()), ""):
            first = recordings[same].location.line
            source.report(("recording",), f"only upper and lower case tell it from {same} at line {first}", "keep one")
        recordings.setdefault(recording.name, recording)
    return tuple(recordings.values())


def _transcript(source: SourceDocument, defaults: SuiteDefaults, recordings: tuple[Recording, ...]) -> Transcript:
    script = source.document.value
    agent = _without_parent_steps(source.path.parent / script["agent"])
    if not agent.is_file():
        source.report(("agent",), f"there is no agent file {script['agent']}", "the path is relative to this file")
    normalize = tuple(script.get("normalize", defaults.normalize))
    return Transcript(
        source.path,
        agent,
        parse_turns(source, defaults.partials, normalize),
        source.location(),
        script.get("about", ""),
        tuple(script.get("tags", ())),
        parse_inputs(source, defaults.inputs),
        {**defaults.modes, **script.get("tools", {})},
        parse_expectations(source, ("finally",), script.get("finally", ()), normalize),
        recordings,
        script.get("keep_going", False),
        {**defaults.stale, **script.get("stale", {})},
        {**defaults.redact, **parse_redact_patterns(source)},
        tuple(script.get("models", defaults.models)),
        source.lazy_location(),
    )


def _without_parent_steps(path: Path) -> Path:
    """The path without its `..`, unless a link makes that another file."""
    if ".." not in path.parts:
        return path
    short = Path(os.path.normpath(path))
    return short if path.exists() and short.exists() and short.samefile(path) else path
