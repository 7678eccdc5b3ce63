"""A transcript file's text as YAML documents: replaced one by one, so that no byte of the others is touched."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from runner.core.errors import UsageError

MAX_BYTES = 8_000_000
MAX_VALUES = 500_000

# YAML lets no line inside a document begin so, not even in a block of literal text.
_MARK = re.compile(r"^---(?=[ \t\r\n]|\Z)", re.MULTILINE)
_NOTHING = re.compile(r"(?:\s|#[^\n]*(?:\n|\Z)|%[^\n]*(?:\n|\Z))*\Z")
_RECORDING = re.compile(r"^recording:[ \t]*(['\"]?)(?P<name>[^'\"\r\n]+?)\1[ \t]*(?:#[^\n]*)?\r?$", re.MULTILINE)


def split(text: str) -> tuple[str, ...]:
    """The documents' texts; each but the first begins with its `---`, and joined they are the file again."""
    starts = [match.start() for match in _MARK.finditer(text)]
    if starts and _NOTHING.match(text[: starts[0]]):
        starts = starts[1:]
    bounds = [0, *starts, len(text)]
    return tuple(text[start:end] for start, end in pairwise(bounds))


def recording_name(document: str) -> str:
    """What a recording's document is called, empty for a document that is none."""
    found = _RECORDING.search(document)
    return found["name"] if found else ""


def with_recording(text: str, name: str, document: str | None) -> str:
    """The file's text with that recording put in place of its older self, or at the end; None takes it out."""
    newline = "\r\n" if "\r\n" in text else "\n"
    script, *others = split(text)
    fresh = None if document is None else document.replace("\n", newline)
    kept: list[str] = []
    for other in others:
        if recording_name(other) != name:
            kept.append(other)
        elif fresh is not None:
            kept.append(fresh)
            fresh = None
    if fresh is not None:
        kept.append(fresh)
    joined = script
    for part in kept:
        joined += part if joined.endswith("\n") else newline + part
    return joined


def read_text(path: Path) -> str:
    """The file's text with its line ends as they are. Raises OSError, UnicodeDecodeError."""
    return path.read_bytes().decode("utf-8")


def write_atomically(path: Path, text: str) -> None:
    """Put the text in the file's place in one move: a crash leaves the old file or the new one. Raises UsageError."""
    try:
        _write(path.resolve(), text)
    except OSError as error:
        raise UsageError(f"cannot write {path}", why=error.strerror or str(error)) from None


def _write(target: Path, text: str) -> None:
    import tempfile  # lazy: a replay writes nothing

    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(target.stat().st_mode & 0o777 if target.exists() else 0o644)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def rewrite(path: Path, recordings: Mapping[str, str | None]) -> bool:
    """Put recordings into a transcript file, None takes one out; True if a byte changed. Raises UsageError."""
    before = read_text(path)
    after = before
    for name, document in recordings.items():
        after = with_recording(after, name, document)
    if after == before:
        return False
    write_atomically(path, after)
    return True
