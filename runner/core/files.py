"""Files written whole or not at all, and the private files and folders of one user."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700
_PUBLIC_FILE = 0o644


def write_private(path: Path, text: str) -> None:
    """Put the text, as UTF-8, into a file that nobody else can read, in a private folder.

    A crash leaves the old file or the new one. Raises OSError, UnicodeEncodeError.
    """
    make_private_folder(path.parent)
    _replace(path, text.encode("utf-8"), _PRIVATE_FILE)


def write_public(path: Path, text: str) -> None:
    """Put the text, as UTF-8, into a file that keeps its mode, or that everybody can read if it is new.

    A crash leaves the old file or the new one; a link's target is written, not the link. Raises OSError,
    UnicodeEncodeError.
    """
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode("utf-8")
    _replace(target, data, target.stat().st_mode & 0o777 if target.exists() else _PUBLIC_FILE)


def create_private(path: Path) -> BinaryIO:
    """A new file, open for writing, that nobody else can read. Raises OSError, FileExistsError if it is there."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE), "wb")


def make_private_folder(folder: Path) -> None:
    """Make a folder, and its parent, that nobody else can look into; one that is there is closed to others.

    A parent that is there stays as it is: the user may have named it. Raises OSError.
    """
    folder.parent.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    folder.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
    if folder.stat().st_mode & 0o077:
        folder.chmod(_PRIVATE_FOLDER)


def _replace(target: Path, data: bytes, mode: int) -> None:
    """Write beside the target, flush to the disk, and rename."""
    draft = target.with_name(f".{target.name[:100]}.{os.urandom(6).hex()}")
    try:
        with create_private(draft) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if mode != _PRIVATE_FILE:
            draft.chmod(mode)
        draft.replace(target)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
