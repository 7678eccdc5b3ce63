"""The `_suite.yaml` files above a transcript: defaults for the transcripts in their folders and below."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from runner.config.diagnostics import Diagnostic
from runner.config.paths import SUITE_FILE, is_suite_name
from runner.config.validation.schema import schema_violations
from runner.config.yaml.parser import load_documents
from runner.core.errors import ConfigError
from runner.transcripts.files.script_parser import Partial, parse_inputs, parse_redact_patterns
from runner.transcripts.files.source_document import SourceDocument
from runner.transcripts.model import Component, FailureLevel, ReplayInputs, ToolMode


class SuiteDefaults(NamedTuple):
    """What the suite files above a transcript set for it, the nearest file winning."""

    inputs: ReplayInputs = ReplayInputs()
    modes: Mapping[str, ToolMode] = {}
    normalize: tuple[str, ...] = ()
    stale: Mapping[Component, FailureLevel] = {}
    redact: Mapping[str, str] = {}
    partials: Mapping[str, Partial] = {}
    models: tuple[str, ...] = ()

    def overridden_by(self, source: SourceDocument) -> SuiteDefaults:
        """These defaults where one more suite file sets no others."""
        suite = source.document.value
        partials = {
            name: Partial(source, turns, ("partials", name)) for name, turns in suite.get("partials", {}).items()
        }
        return SuiteDefaults(
            parse_inputs(source, self.inputs),
            {**self.modes, **suite.get("tools", {})},
            tuple(suite.get("normalize", self.normalize)),
            {**self.stale, **suite.get("stale", {})},
            {**self.redact, **parse_redact_patterns(source)},
            {**self.partials, **partials},
            tuple(suite.get("models", self.models)),
        )


class SuiteFiles:
    """The suite files that a run meets, each read once."""

    def __init__(self) -> None:
        self._defaults: dict[Path, SuiteDefaults] = {}

    def defaults(self, folder: Path) -> SuiteDefaults:
        """What holds for the transcripts in a folder; a folder with `.git` is the outermost. Raises ConfigError."""
        if folder not in self._defaults:
            self._defaults[folder] = self._read(folder) if folder.is_absolute() else self.defaults(folder.absolute())
        return self._defaults[folder]

    def _read(self, folder: Path) -> SuiteDefaults:
        outermost = folder.parent == folder or (folder / ".git").exists()
        outer = SuiteDefaults() if outermost else self.defaults(folder.parent)
        names = [name for name in _names_in(folder) if is_suite_name(name)]
        if misnamed := [_relative_to_here(folder / name) for name in sorted(names) if name != SUITE_FILE]:
            hint = f"name it {SUITE_FILE}" if len(names) == 1 else f"put it into {SUITE_FILE}, or take it away"
            message = "this is not read as a suite file"
            raise ConfigError([Diagnostic(str(file), 1, 1, message, hint) for file in misnamed])
        return _overridden(outer, _relative_to_here(folder / SUITE_FILE)) if names else outer


def _names_in(folder: Path) -> list[str]:
    """What is in a folder; in one that only its files may be read of, a suite file if it has one."""
    try:
        return [entry.name for entry in folder.iterdir()]
    except OSError:
        return [SUITE_FILE] if (folder / SUITE_FILE).is_file() else []


def _relative_to_here(file: Path) -> Path:
    """The file as the user would name it, if it is below the working folder."""
    here = Path.cwd()
    return file.relative_to(here) if file.is_relative_to(here) else file


def _overridden(outer: SuiteDefaults, file: Path) -> SuiteDefaults:
    """The outer defaults overridden by a suite file. Raises ConfigError."""
    diagnostics: list[Diagnostic] = []
    documents = load_documents(file)
    if not documents:
        raise ConfigError([Diagnostic(str(file), 1, 1, "the file is empty", "a suite begins with suite: 1")])
    for position, document in enumerate(documents):
        source = SourceDocument(document, file, diagnostics)
        if position:
            source.report((), "a suite file holds one document")
        elif not isinstance(document.value, dict):
            source.report((), "a suite is a mapping")
        else:
            source.report_violations(schema_violations(document.value, "transcript", "suite"))
            if not diagnostics:
                outer = outer.overridden_by(source)
    if diagnostics:
        raise ConfigError(sorted(diagnostics))
    return outer
