"""A folder whose files can be reached and no others: each step is taken from an open folder, and follows no link."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path

from runner.core.files import open_flags
from runner.tools.posix import require_posix

MOST_BYTES = 16 * 2**20
_FOLDER = os.O_RDONLY | open_flags("O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC")
_FILE = os.O_RDONLY | open_flags("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC")
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | open_flags("O_NOFOLLOW", "O_CLOEXEC")


class PathRefused(Exception):
    """The path or the file is not one that may be reached; the text says why."""


def path_names(path: str) -> tuple[str, ...]:
    """The names on the way from the root, without `.`. Raises PathRefused for what could lead elsewhere."""
    if "\0" in path or path.startswith(("/", "~")) or re.match(r"[A-Za-z]:|\\", path):
        raise PathRefused(f"{path!r} is not a path below the root folder; name files relative to it")
    names = tuple(name for name in path.split("/") if name not in ("", "."))
    if ".." in names:
        raise PathRefused(f"{path!r} leads upwards with '..'; name files relative to the root folder")
    return names


class RootedFolder:
    """The files below one folder, by their paths with `/`. Methods raise PathRefused, and the system's OSError."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, path: str) -> bytes:
        """A regular file of at most MOST_BYTES."""
        *above, name = self._names(path)
        with self._folder(above) as folder, _closing(os.open(name, _FILE, dir_fd=folder)) as file:
            self._check(path, os.fstat(file))
            with os.fdopen(file, "rb", closefd=False) as reader:
                return reader.read(MOST_BYTES)

    def write(self, path: str, data: bytes) -> bool:
        """Put the data in the file's place, all at once; folders are made. True if the file is new."""
        *above, name = self._names(path)
        with self._folder(above, make=True) as folder:
            mode = self._mode(path, name, folder)
            scratch = f".{name[:100]}.{os.urandom(6).hex()}"
            try:
                with os.fdopen(os.open(scratch, _NEW, 0o666, dir_fd=folder), "wb") as file:
                    if mode is not None:
                        os.fchmod(file.fileno(), mode)
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.rename(scratch, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with suppress(OSError):
                    os.unlink(scratch, dir_fd=folder)
                raise
            return mode is None

    def files(self, path: str, pattern: str) -> Iterator[tuple[str, bool]]:
        """Paths below `path` that match the glob, sorted, and whether each is a folder.

        `*` stays within a name, `**` spans folders; only a pattern that names a dot looks into hidden folders.
        """
        glob = _glob_parts(pattern)
        deep, hidden = "/" in pattern or "**" in pattern, pattern.startswith(".") or "/." in pattern
        above = path_names(path)
        with self._folder(above) as top:
            for folder, folders, files, _ in os.fwalk(".", dir_fd=top, follow_symlinks=False):
                here = folder.removeprefix(".").removeprefix("/")
                for name in sorted((*folders, *files)):
                    below = f"{here}/{name}" if here else name
                    if _glob_matches(glob, below.split("/")):
                        yield "/".join((*above, below)), name in folders
                folders[:] = [name for name in sorted(folders) if deep and (hidden or not name.startswith("."))]

    @contextmanager
    def _folder(self, names: tuple[str, ...] | list[str], *, make: bool = False) -> Iterator[int]:
        require_posix("the tools of `files:`", "O_NOFOLLOW", "O_DIRECTORY", "fwalk")
        with ExitStack() as opened:

            def enter(name: str | Path, within: int | None) -> int:
                return opened.enter_context(_closing(os.open(name, _FOLDER, dir_fd=within)))

            if make:
                self._root.mkdir(parents=True, exist_ok=True)
            folder = enter(self._root, None)
            for name in names:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(name, dir_fd=folder)
                folder = enter(name, folder)
            yield folder

    def _names(self, path: str) -> tuple[str, ...]:
        names = path_names(path)
        if not names:
            raise PathRefused(f"{path!r} is the root folder, not a file")
        return names

    def _mode(self, path: str, name: str, folder: int) -> int | None:
        """The permission bits of the file that is there, None if none is."""
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None
        self._check(path, status)
        return stat.S_IMODE(status.st_mode)

    def _check(self, path: str, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise PathRefused(f"{path!r} is no regular file")
        if status.st_size > MOST_BYTES:
            raise PathRefused(f"{path!r} has {status.st_size} bytes; {MOST_BYTES} are the most")


@contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _glob_parts(pattern: str) -> tuple[str, ...]:
    return tuple(part.replace("[", "[[]") for part in pattern.removeprefix("./").split("/"))


def _glob_matches(parts: Sequence[str], names: Sequence[str]) -> bool:
    """Whether a glob's parts stand for the names: `**` for any number of them, each other part for one.

    All places that the parts up to one can end at are kept side by side, so that no pattern takes long.
    """
    ends = {0}
    for part in parts:
        if part == "**":
            ends = set(range(min(ends), len(names) + 1))
        else:
            ends = {end + 1 for end in ends if end < len(names) and fnmatchcase(names[end], part)}
        if not ends:
            return False
    return len(names) in ends
