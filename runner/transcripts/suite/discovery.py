"""Which files are transcripts: those named, and those that a search of the named folders finds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from runner.core.errors import UsageError
from runner.transcripts.files.suite_file import SUITE_FILE
from runner.transcripts.model import TRANSCRIPT_SUFFIX


def find_transcripts(paths: Iterable[Path]) -> list[Path]:
    """The files themselves, and all `*.transcript.yaml` of the folders, save in hidden ones. Raises UsageError."""
    files: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            below = (file for file in path.rglob(f"*{TRANSCRIPT_SUFFIX}") if not _hidden(file.relative_to(path)))
            files |= dict.fromkeys(sorted(below))
        elif path.exists():
            files[path] = None
        else:
            raise UsageError(f"there is no {path}", fix="name a transcript, or a folder that holds some")
    return [file for file in files if file.name != SUITE_FILE]


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
