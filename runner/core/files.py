"""Files read within bounds, files written whole or not at all, and the private files and folders of one user."""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700
_PUBLIC_FILE = 0o644
_BLOCK = 65_536  # more at once costs a small file more than it needs
_HANDED_OVER = re.compile(r"/dev/(?:stdin|fd/\d+)")


def open_flags(*names: str) -> int:
    """The flags of these names for os.open, as far as the system has them."""
    flags = 0
    for name in names:
        flags |= getattr(os, name, 0)
    return flags


# Without blocking: a pipe that took the file's place a moment ago, or a file of the kernel's, could wait for ever.
_READING = os.O_RDONLY | open_flags("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY")


def open_regular(path: Path | str) -> BufferedReader:
    """The file at a path, open for reading, if it is a regular file; links are followed.

    What else a path can lead to (a pipe, a device, a socket) may never answer and never end, and raises OSError, as
    what is not there does. Only a descriptor that whoever started us handed over by its number may be a pipe. Raises
    ValueError for what can be no path.
    """
    if _HANDED_OVER.fullmatch(str(path)):
        return open(path, "rb")
    _check_regular(Path(path).stat(), path)  # before it is opened: to open a device may do something
    descriptor = os.open(path, _READING)
    try:
        _check_regular(os.fstat(descriptor), path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_bounded(path: Path | str, max_bytes: int) -> bytes:
    """The bytes of a regular file, as `open_regular` has it; more than `max_bytes` raise OSError with EFBIG."""
    with open_regular(path) as file:
        data = file.read(min(_BLOCK, max_bytes + 1)) or b""
        if len(data) == _BLOCK:
            data += file.read(max_bytes + 1 - _BLOCK) or b""
    if len(data) > max_bytes:
        raise OSError(errno.EFBIG, f"larger than {max_bytes:,} bytes", str(path))
    return data


def read_text_bounded(path: Path | str, max_bytes: int) -> str:
    """The UTF-8 text of such a file, its line ends as they are. Raises also UnicodeDecodeError."""
    return read_bounded(path, max_bytes).decode("utf-8")


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


def write_in_own_folder(path: Path, text: str) -> None:
    """The same in a folder of ours beside files of others: a link in its place, or in the file's, is not followed.

    Raises OSError, UnicodeEncodeError.
    """
    if path.parent.is_symlink():
        raise OSError(errno.ELOOP, "its folder is a link, which may lead anywhere", str(path.parent))
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path, text.encode("utf-8"), _PUBLIC_FILE)


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


def _check_regular(status: os.stat_result, path: Path | str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))


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
