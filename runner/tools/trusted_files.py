"""The files that an agent runs, held to what they contained when the user consented."""

from __future__ import annotations

import os
from collections.abc import Mapping
from hashlib import file_digest, sha256
from pathlib import Path

from runner.core.errors import NeedsTrust
from runner.core.files import open_regular
from runner.core.sanitize import escape_line
from runner.tools.catalogue import tool_kind_of
from runner.tools.entry import ToolEntry

_MAX_HASHED = 64 * 2**20


def file_hash(path: Path) -> str:
    """What tells the content of a file from any other, whatever its times say; of a very large one, size and time."""
    try:
        with open_regular(path) as file:
            status = os.fstat(file.fileno())
            if status.st_size > _MAX_HASHED:  # a model's weights, say: hashing them would hold up every start
                return f"{status.st_size} bytes of {status.st_mtime_ns}"
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"unreadable: {error.strerror}"


class TrustedFiles:
    """`hashes` are those of the files that the user consented to, by their real paths; no others may be run."""

    def __init__(self, hashes: Mapping[Path, str]) -> None:
        self._hashes = hashes

    def check(self, entry: ToolEntry) -> None:
        """Raise NeedsTrust if a file that the entry runs is not as it was; to be called just before it is run.

        What a program merely reads or writes may change.
        """
        for named in dict.fromkeys(tool_kind_of(entry).files(entry)):
            if not named.is_data and file_hash(named.path) != self._hashes.get(named.path):
                raise self._changed(named.path, entry.where)

    def check_content(self, path: Path, content: bytes, where: str = "") -> None:
        """Raise NeedsTrust if that is not what the file contained: for code that is read and then run."""
        if sha256(content).hexdigest() != self._hashes.get(path.resolve()):
            raise self._changed(path, where)

    def check_import(self, path: Path, content: bytes) -> None:
        """The same for a file that trusted code imports; what is no part of what was consented to may be anything."""
        if path.resolve() in self._hashes:
            self.check_content(path, content)

    def _changed(self, path: Path, where: str) -> NeedsTrust:
        how = "has changed since it was trusted" if path.resolve() in self._hashes else "is new since it was trusted"
        return NeedsTrust(
            f"{escape_line(str(path))} {how}, and is not run",
            where=where,
            fix="look at the change, then begin anew: you are asked about it",
        )
