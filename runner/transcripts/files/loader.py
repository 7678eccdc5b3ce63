"""A transcript file as a value: shape, then sense; every problem at its line, all at once."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from runner.config.diagnostics import Problem
from runner.config.validation.schema import mistakes
from runner.config.yaml.parser import Document, load_documents, read_text
from runner.core.errors import ConfigError
from runner.transcripts.files import recording_parser as parse
from runner.transcripts.files import script_parser as script
from runner.transcripts.files.blobs import Blobs
from runner.transcripts.files.documents import MAX_BYTES, MAX_VALUES
from runner.transcripts.files.location import Sheet
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
    problems: list[Problem] = []
    sheets = [Sheet(document, path, problems) for document in documents]
    _check_shape(sheets)
    if problems:
        raise ConfigError(sorted(problems))
    suite = (suites or Suites()).above(path.parent)
    made = _transcript(sheets[0], suite, _recordings(sheets[1:], Blobs(path.parent)))
    if problems:
        raise ConfigError(sorted(problems))
    return made


def _documents(path: Path, text: str) -> tuple[Document, ...]:
    if "<<<<<<<" in text and (conflict := _CONFLICT.search(text)):
        line = text.count("\n", 0, conflict.start()) + 1
        raise ConfigError([Problem(str(path), line, 1, "a merge conflict is left here", "resolve it, then re-record")])
    documents = load_documents(path, text=text, max_nodes=MAX_VALUES)
    if not documents:
        raise ConfigError([Problem(str(path), 1, 1, "the file is empty", "a transcript needs agent: and turns:")])
    return documents


def _check_shape(sheets: Sequence[Sheet]) -> None:
    """Each document by its part of the schema; one of another version is told so and nothing else."""
    for position, sheet in enumerate(sheets):
        kind, mark = ("recording", "format") if position else ("script", "transcript")
        value = sheet.document.value
        if not isinstance(value, dict):
            sheet.problem((), f"a {kind} is a mapping")
        elif not position and "transcript" not in value:
            sheet.problem(
                (), "not a transcript: the first document has no transcript:", f"begin with transcript: {FORMAT}"
            )
        elif value.get(mark, FORMAT) != FORMAT:
            shown = value[mark]
            sheet.problem((mark,), f"{kind} of format {shown!r}: this agent-run reads format {FORMAT}", "re-record it")
        else:
            sheet.mistakes(mistakes(value, "transcript", kind))


def _recordings(sheets: Sequence[Sheet], blobs: Blobs) -> tuple[Recording, ...]:
    found: dict[str, Recording] = {}
    for sheet in sheets:
        made = parse.recording(sheet, blobs)
        if made.name in found:
            first = found[made.name].place.line
            sheet.problem(("recording",), f"a recording of {made.name} stands already at line {first}", "keep one")
        elif made.expect is not None and not made.by_hand:
            sheet.problem(("expect",), "only a hand/ recording brings its own expectations")
        found.setdefault(made.name, made)
    return tuple(found.values())


def _transcript(sheet: Sheet, suite: Suite, recordings: tuple[Recording, ...]) -> Transcript:
    given = sheet.document.value
    agent = _short(sheet.path.parent / given["agent"])
    if not agent.is_file():
        sheet.problem(("agent",), f"there is no agent file {given['agent']}", "the path is relative to this file")
    suite = suite._replace(normalize=tuple(given.get("normalize", suite.normalize)))
    return Transcript(
        sheet.path,
        agent,
        script.turns(sheet, suite),
        sheet.place(),
        given.get("about", ""),
        tuple(given.get("tags", ())),
        script.inputs(sheet, suite.inputs),
        {**suite.modes, **given.get("tools", {})},
        script.expected(sheet, ("finally",), given.get("finally", ()), suite.normalize),
        recordings,
        given.get("keep_going", False),
        {**suite.stale, **given.get("stale", {})},
        {**suite.redact, **script.patterns(sheet)},
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
    problems: list[Problem] = []
    for position, document in enumerate(documents):
        sheet = Sheet(document, file, problems)
        if position:
            sheet.problem((), "a suite file holds one document")
        elif not isinstance(document.value, dict):
            sheet.problem((), "a suite is a mapping")
        else:
            sheet.mistakes(mistakes(document.value, "transcript", "suite"))
            if not problems:
                outer = outer.with_defaults(sheet)
    if problems:
        raise ConfigError(sorted(problems))
    return outer
