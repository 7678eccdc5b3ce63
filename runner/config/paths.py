"""Paths that an agent file names: kept inside the agent's own folder against `..`, symlinks and absolute paths."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal


class OutsideFolder(ValueError):
    """The path leads out of the folder; the message says how."""


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
