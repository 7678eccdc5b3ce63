"""Files that a file names: inside the agent's own folder, whatever `..`, symlinks or absolute paths say."""

from __future__ import annotations

import os
from pathlib import Path


class Outside(ValueError):
    """The path leads out of the folder; the message says how."""


def rooted(text: str, base: Path, root: Path) -> Path:
    """The path that `text` means from `base`, which must lie under `root`; it need not exist. Raises Outside."""
    if "\0" in text:
        raise Outside("no file can have this name")
    if Path(text).is_absolute() or text.startswith("~"):
        raise Outside("absolute paths are not allowed: name it from the agent's folder")
    path = base / text
    inside = os.path.realpath(root)
    real = os.path.realpath(path)
    if real != inside and not real.startswith(inside.rstrip(os.sep) + os.sep):
        raise Outside(f"{'..' if '..' in Path(text).parts else 'a symlink'} leads out of the agent's folder")
    return path
