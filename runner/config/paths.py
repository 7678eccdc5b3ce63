"""Paths that an agent file names: kept inside the agent's own folder against `..`, symlinks and absolute paths."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal


class OutsideFolder(ValueError):
    """The path leads out of the folder; the message says how."""


Tell = Callable[[str, str], None]
"""Is given a path that cannot be searched, and why."""

_LEFT_OUT = "node_modules"
SUITE_FILE = "_suite.yaml"
_SUITE_NAMES = ("_suite.yaml", "_suite.yml", "_suite.json", "_suite.toml")
_TRANSCRIPT_NAMES = (".transcript.yaml", ".transcript.yml")


def path_kind(path: Path) -> Literal["file", "folder", ""]:
    """What is at the path; nothing also where no file can have that name."""
    try:
        return "file" if path.is_file() else "folder" if path.is_dir() else ""
    except (OSError, ValueError):
        return ""


def real_path(path: Path) -> Path:
    """The path with its symlinks followed, also where they lead in a ring or nowhere."""
    return Path(os.path.realpath(path))


def resolve_within(text: str, folder: Path, root: Path, whose: str = "agent") -> Path:
    """The path of `text` from `folder`, which must lie under `root`, the folder of `whose` file; it need not exist.

    Raises OutsideFolder.
    """
    if "\0" in text:
        raise OutsideFolder("no file can have this name")
    if Path(text).is_absolute() or text.startswith("~"):
        raise OutsideFolder(f"absolute paths are not allowed: name it from the {whose}'s folder")
    path = folder / text
    if not real_path(path).is_relative_to(real_path(root)):
        raise OutsideFolder(f"{'..' if '..' in Path(text).parts else 'a symlink'} leads out of the {whose}'s folder")
    return path


def is_transcript_name(name: str) -> bool:
    """A folder is searched for transcripts of such names, in capital letters too."""
    return name.lower().endswith(_TRANSCRIPT_NAMES)


def is_suite_name(name: str) -> bool:
    """A file of this name is meant as a suite file, though SUITE_FILE alone is read."""
    return name.lower() in _SUITE_NAMES


def files_below(top: Path, tell: Tell) -> Iterator[Path]:
    """The files of a folder and those below, in order; hidden ones and `node_modules` are left out.

    Links are followed, each real folder once, so that a ring of links ends. One that leads nowhere is a file, which
    cannot be read.
    """
    root = real_path(top)
    seen: set[Path] = set()

    def failed(error: OSError) -> None:
        tell(str(error.filename), f"not searched: {(error.strerror or str(error)).lower()}")

    for folder, folders, names in os.walk(top, followlinks=True, onerror=failed):
        here = real_path(Path(folder))
        if here in seen or (here != root and root.is_relative_to(here)):
            folders.clear()
            continue
        seen.add(here)
        # Links last: what is reached in two ways is named by the way without one.
        folders[:] = sorted(
            (name for name in folders if not name.startswith(".") and name != _LEFT_OUT),
            key=lambda name: (Path(folder, name).is_symlink(), name),
        )
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(folder, name)
