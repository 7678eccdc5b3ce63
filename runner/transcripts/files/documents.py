"""A transcript file's text as YAML documents: replaced one by one, so that no byte of the others is touched."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from runner.core.errors import UsageError
from runner.core.files import read_text_bounded, write_public

MAX_BYTES = 8_000_000
MAX_VALUES = 500_000

# YAML lets no line inside a document begin so, not even in a block of literal text.
_DOCUMENT_START = r"(?m)^---(?=[ \t\r\n]|\Z)"
# White space, comments and directives: a document begins only after them.
_BLANK = r"(?:\s|#[^\n]*(?:\n|\Z)|%[^\n]*(?:\n|\Z))*\Z"
_RECORDING_KEY = r"(?m)^recording:[ \t]*(['\"]?)(?P<name>[^'\"\r\n]+?)\1[ \t]*(?:#[^\n]*)?\r?$"


def split_documents(text: str) -> tuple[str, ...]:
    """The documents' texts; each but the first begins with its `---`, and joined they are the file again."""
    starts = [match.start() for match in re.finditer(_DOCUMENT_START, text)]
    if starts and re.match(_BLANK, text[: starts[0]]):
        starts = starts[1:]
    bounds = [0, *starts, len(text)]
    return tuple(text[start:end] for start, end in pairwise(bounds))


def recording_name(document: str) -> str:
    """The name of a recording's document; empty for a document that is no recording."""
    match = re.search(_RECORDING_KEY, document)
    return match["name"] if match else ""


def with_recording(text: str, name: str, document: str | None) -> str:
    """The file's text with that recording in place of the older one of its name, or at the end; None takes it out."""
    newline = "\r\n" if "\r\n" in text else "\n"
    script, *recordings = split_documents(text)
    fresh = None if document is None else document.replace("\n", newline)
    parts: list[str] = []
    for recording in recordings:
        if recording_name(recording) != name:
            parts.append(recording)
        elif fresh is not None:
            parts.append(fresh)
            fresh = None
    if fresh is not None:
        parts.append(fresh)
    joined = script
    for part in parts:
        joined += part if joined.endswith("\n") else newline + part
    return joined


def read_verbatim(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """The file's text with its line ends as they are. Raises OSError, UnicodeDecodeError."""
    return read_text_bounded(path, max_bytes)


def write_atomically(path: Path, text: str) -> None:
    """Put the text in the file's place in one move: a crash leaves the old file or the new one. Raises UsageError."""
    try:
        write_public(path, text)
    except OSError as error:
        raise UsageError(f"cannot write {path}", why=error.strerror or str(error)) from None


def rewrite_recordings(path: Path, recordings: Mapping[str, str | None]) -> bool:
    """Put documents into a transcript file by their recordings' names, None takes one out; True if a byte changed.

    Raises UsageError.
    """
    before = read_verbatim(path)
    after = before
    for name, document in recordings.items():
        after = with_recording(after, name, document)
    if after == before:
        return False
    write_atomically(path, after)
    return True
