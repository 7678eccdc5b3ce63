"""Files that a file names: inside the agent's own folder, whatever `..`, symlinks or absolute paths say."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal


class Outside(ValueError):
    """The path leads out of the folder; the message says how."""


def kind_of(path: Path) -> Literal["file", "folder", ""]:
    """What stands there; nothing for what no file can be called."""
    try:
        return "file" if path.is_file() else "folder" if path.is_dir() else ""
    except (OSError, ValueError):
        return ""


def real(path: Path) -> Path:
    """The path with its symlinks followed, also where they lead in a ring or nowhere."""
    return Path(os.path.realpath(path))


def rooted(text: str, base: Path, root: Path) -> Path:
    """The path that `text` means from `base`, which must lie under `root`; it need not exist. Raises Outside."""
    if "\0" in text:
        raise Outside("no file can have this name")
    if Path(text).is_absolute() or text.startswith("~"):
        raise Outside("absolute paths are not allowed: name it from the agent's folder")
    path = base / text
    if not real(path).is_relative_to(real(root)):
        raise Outside(f"{'..' if '..' in Path(text).parts else 'a symlink'} leads out of the agent's folder")
    return path
