"""Output of any length in a bounded memory: head and tail are kept, and the whole goes to a private file."""

from __future__ import annotations

import codecs
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from runner.core.dirs import state_folder
from runner.core.files import create_private, make_private_folder

MAX_CAPTURED = 64 * 2**20
_MIN_LIMIT = 256
_KEPT_FILES = 20


class OutputCapture:
    """Takes bytes as they come; `text()` gives them whole up to `limit` bytes, else head, tail and the file's path."""

    def __init__(self, name: str, limit: int) -> None:
        self._name = re.sub(r"\W+", "_", name)[:40]
        self._limit = max(limit, _MIN_LIMIT)
        self._head = bytearray()
        self._tail = b""
        self._file: BinaryIO | None = None
        self._where = ""
        self.total = 0

    def __enter__(self) -> OutputCapture:
        return self

    def __exit__(self, *failure: object) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()

    @property
    def full(self) -> bool:
        """More has come than any file keeps: whoever sends should be stopped."""
        return self.total > MAX_CAPTURED

    def feed(self, data: bytes) -> None:
        overflows = self.total <= self._limit
        self.total += len(data)
        if self.total <= self._limit:
            self._head += data
            return
        if overflows:
            data = bytes(self._head) + data
            self._open()
            self._head = bytearray(data[: self._limit * 3 // 4])
        self._tail = (self._tail + data)[-self._limit // 4 :]
        self._write(data)

    def text(self) -> str:
        """What came, as UTF-8; bytes that are none become U+FFFD."""
        if self.total <= self._limit:
            return self._head.decode(errors="replace")
        head = codecs.getincrementaldecoder("utf-8")("replace").decode(bytes(self._head))
        tail = self._tail.lstrip(bytes(range(0x80, 0xC0))).decode(errors="replace")
        note = f"[… {self.total} bytes in all, cut here. {self._where} Ask for less, or for a part.]"
        return f"{head}\n{note}\n{tail}"

    def _open(self) -> None:
        folder = state_folder() / "outputs"
        try:
            make_private_folder(folder)
            _drop_oldest(folder)
            path = folder / f"{self._name}-{os.urandom(6).hex()}.txt"
            self._file = create_private(path)
            self._where = f"The whole is in {path}."
        except OSError as error:
            self._where = f"The rest could not be kept: {error.strerror}."

    def _write(self, data: bytes) -> None:
        if self._file is None or self.full:
            return
        try:
            self._file.write(data)
        except OSError as error:
            self._where = f"The rest could not be kept: {error.strerror}."
            self._file = None


def _drop_oldest(folder: Path) -> None:
    """Drop the oldest files; another call may be at it, too."""
    with suppress(OSError):
        for old in sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime)[: -_KEPT_FILES + 1]:
            old.unlink(missing_ok=True)
