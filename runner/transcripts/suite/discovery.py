"""Which files are transcripts: those named, and those that a search of the named folders finds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from runner.config.paths import real_path
from runner.core.errors import UsageError
from runner.transcripts.files.suite_file import SUITE_FILE
from runner.transcripts.model import TRANSCRIPT_SUFFIX

_SUFFIXES = (TRANSCRIPT_SUFFIX, ".transcript.yml")


def find_transcripts(paths: Iterable[Path], tell: Callable[[str], None] = lambda text: None) -> list[Path]:
    """The files themselves, and all `*.transcript.yaml` and `.yml` of the folders. Raises UsageError.

    Hidden folders are left out, linked ones searched; `tell` gets a line for each folder that cannot be searched.
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


def _below(top: Path, tell: Callable[[str], None]) -> Iterator[Path]:
    """The transcripts of a folder and those below; each real folder once, so that a ring of links ends."""
    root = real_path(top)
    seen: set[Path] = set()

    def failed(error: OSError) -> None:
        tell(f"{error.filename}: not searched: {error.strerror}")

    for folder, folders, names in os.walk(top, followlinks=True, onerror=failed):
        here = real_path(Path(folder))
        if here in seen or (here != root and root.is_relative_to(here)):
            folders.clear()
            continue
        seen.add(here)
        # Links last: what is reached in two ways is named by the way without one.
        folders[:] = sorted(
            (name for name in folders if not name.startswith(".")),
            key=lambda name: (Path(folder, name).is_symlink(), name),
        )
        yield from (
            Path(folder, name) for name in names if name.lower().endswith(_SUFFIXES) and not name.startswith(".")
        )
