"""A transcript file as a value: shape, then sense; every problem at its line, all at once."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from runner.config.diagnostics import Diagnostic
from runner.config.validation.schema import schema_violations
from runner.config.yaml.parser import Document, load_documents, read_text
from runner.core.errors import ConfigError
from runner.transcripts.files import recording_parser as parse
from runner.transcripts.files import script_parser as script
from runner.transcripts.files.blobs import Blobs
from runner.transcripts.files.documents import MAX_BYTES, MAX_VALUES
from runner.transcripts.files.location import SourceDocument
from runner.transcripts.files.script_parser import Suite
from runner.transcripts.model import FORMAT, Recording, Transcript

SUITE_FILE = "_suite.yaml"

_CONFLICT = re.compile(r"^(?:<{7}|={7}|>{7})(?: |$)", re.MULTILINE)


class Suites:
    """The `_suite.yaml` files that a run meets, each read once."""

    def __init__(self) -> None:
        self._known: dict[Path, Suite] = {}

    def above(self, folder: Path) -> Suite:
        """What holds for the transcripts in a folder. Raises ConfigError."""
        if folder in self._known:
            return self._known[folder]
        if not folder.is_absolute():
            self._known[folder] = self.above(folder.absolute())
        else:
            outer = Suite() if folder.parent == folder or (folder / ".git").exists() else self.above(folder.parent)
            file = _as_named(folder / SUITE_FILE)
            self._known[folder] = _overlaid(outer, file) if file.is_file() else outer
        return self._known[folder]


def load_transcript(path: Path, suites: Suites | None = None) -> Transcript:
    """The transcript in a file. Raises ConfigError with every problem."""
    text = read_text(path, MAX_BYTES)
    documents = _documents(path, text)
    diagnostics: list[Diagnostic] = []
    sources = [SourceDocument(document, path, diagnostics) for document in documents]
    _check_shape(sources)
    if diagnostics:
        raise ConfigError(sorted(diagnostics))
    suite = (suites or Suites()).above(path.parent)
    made = _transcript(sources[0], suite, _recordings(sources[1:], Blobs(path.parent)))
    if diagnostics:
        raise ConfigError(sorted(diagnostics))
    return made


def _documents(path: Path, text: str) -> tuple[Document, ...]:
    if "<<<<<<<" in text and (conflict := _CONFLICT.search(text)):
        line = text.count("\n", 0, conflict.start()) + 1
        raise ConfigError(
            [Diagnostic(str(path), line, 1, "a merge conflict is left here", "resolve it, then re-record")]
        )
    documents = load_documents(path, text=text, max_nodes=MAX_VALUES)
    if not documents:
        raise ConfigError([Diagnostic(str(path), 1, 1, "the file is empty", "a transcript needs agent: and turns:")])
    return documents


def _check_shape(sources: Sequence[SourceDocument]) -> None:
    """Each document by its part of the schema; one of another version is told so and nothing else."""
    for position, source in enumerate(sources):
        kind, mark = ("recording", "format") if position else ("script", "transcript")
        value = source.document.value
        if not isinstance(value, dict):
            source.report((), f"a {kind} is a mapping")
        elif not position and "transcript" not in value:
            source.report(
                (), "not a transcript: the first document has no transcript:", f"begin with transcript: {FORMAT}"
            )
        elif value.get(mark, FORMAT) != FORMAT:
            shown = value[mark]
            source.report((mark,), f"{kind} of format {shown!r}: this agent-run reads format {FORMAT}", "re-record it")
        else:
            source.report_violations(schema_violations(value, "transcript", kind))


def _recordings(sources: Sequence[SourceDocument], blobs: Blobs) -> tuple[Recording, ...]:
    found: dict[str, Recording] = {}
    for source in sources:
        made = parse.recording(source, blobs)
        if made.name in found:
            first = found[made.name].location.line
            source.report(("recording",), f"a recording of {made.name} stands already at line {first}", "keep one")
        elif made.expect is not None and not made.by_hand:
            source.report(("expect",), "only a hand/ recording brings its own expectations")
        found.setdefault(made.name, made)
    return tuple(found.values())


def _transcript(source: SourceDocument, suite: Suite, recordings: tuple[Recording, ...]) -> Transcript:
    given = source.document.value
    agent = _short(source.path.parent / given["agent"])
    if not agent.is_file():
        source.report(("agent",), f"there is no agent file {given['agent']}", "the path is relative to this file")
    suite = suite._replace(normalize=tuple(given.get("normalize", suite.normalize)))
    return Transcript(
        source.path,
        agent,
        script.turns(source, suite),
        source.location(),
        given.get("about", ""),
        tuple(given.get("tags", ())),
        script.inputs(source, suite.inputs),
        {**suite.modes, **given.get("tools", {})},
        script.expected(source, ("finally",), given.get("finally", ()), suite.normalize),
        recordings,
        given.get("keep_going", False),
        {**suite.stale, **given.get("stale", {})},
        {**suite.redact, **script.patterns(source)},
    )


def _short(path: Path) -> Path:
    """The path without its `..`, unless a link makes that another file."""
    if ".." not in path.parts:
        return path
    short = Path(os.path.normpath(path))
    return short if path.exists() and short.exists() and short.samefile(path) else path


def _as_named(file: Path) -> Path:
    """The file as the user would name it from here."""
    here = Path.cwd()
    return file.relative_to(here) if file.is_relative_to(here) else file


def _overlaid(outer: Suite, file: Path) -> Suite:
    documents = load_documents(file)
    diagnostics: list[Diagnostic] = []
    for position, document in enumerate(documents):
        source = SourceDocument(document, file, diagnostics)
        if position:
            source.report((), "a suite file holds one document")
        elif not isinstance(document.value, dict):
            source.report((), "a suite is a mapping")
        else:
            source.report_violations(schema_violations(document.value, "transcript", "suite"))
            if not diagnostics:
                outer = outer.with_defaults(source)
    if diagnostics:
        raise ConfigError(sorted(diagnostics))
    return outer
