"""Which files are transcripts: those named, and those that a search of the named folders finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from runner.config.paths import SUITE_FILE, files_below, is_transcript_name
from runner.core.errors import UsageError


def find_transcripts(paths: Iterable[Path], tell: Callable[[str], None] = lambda text: None) -> list[Path]:
    """The files themselves, and all `*.transcript.yaml` and `.yml` of the folders. Raises UsageError.

    `tell` gets a line for each folder that cannot be searched, and for each link that leads nowhere.
    """
    files: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            files |= dict.fromkeys(sorted(_below(path, tell)))
        elif path.exists():
            files[path] = None
        else:
            raise UsageError(f"there is no {path}", fix="name a transcript, or a folder that holds some")
    return [file for file in files if file.name != SUITE_FILE]


def _below(top: Path, tell: Callable[[str], None]) -> Iterable[Path]:
    for file in files_below(top, lambda path, why: tell(f"{path}: {why}")):
        if is_transcript_name(file.name):
            yield file
        elif file.is_symlink() and not file.exists():  # what may have been a folder of transcripts
            tell(f"{file}: not searched: the link leads nowhere")
