"""Blobs: values too long for a transcript, in files of `.blobs/` beside it that are named by their hash."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from runner.config.paths import OutsideFolder, resolve_within
from runner.core.errors import UsageError
from runner.core.files import write_in_own_folder
from runner.transcripts.files.documents import read_verbatim

FOLDER = ".blobs"
MAX_INLINE_BYTES = 4096
_MAX_BYTES = 128 * 2**20
_NAME = r"[0-9a-f]{32}\.(?:txt|json)"


def escaped(value: Any) -> Any:
    """The value as a document holds it: under `$literal`, if one of its keys could be taken for more than a key."""
    return {"$literal": value} if has_dollar_key(value) else value


def escaped_references(value: Any) -> Any:
    """The value as version 0.1 wrote it: under `$literal` only if it would be read as a reference."""
    is_reference = isinstance(value, Mapping) and len(value) == 1 and value.keys() <= {"$blob", "$literal"}
    return {"$literal": value} if is_reference else value


def has_dollar_key(value: Any) -> bool:
    """Whether a mapping in the value has a key that begins with `$`, as matchers and references do."""
    if isinstance(value, Mapping):
        return any(str(key).startswith("$") or has_dollar_key(item) for key, item in value.items())
    return isinstance(value, (list, tuple)) and any(map(has_dollar_key, value))


class Blobs:
    """The blobs of one folder of transcripts: `put` takes long values out of a document, `get` brings them back."""

    def __init__(self, transcript_folder: Path) -> None:
        self._folder = transcript_folder / FOLDER
        self._unwritten: dict[str, str] = {}

    def put(self, value: Any, escape: Callable[[Any], Any] = escaped) -> Any:
        """The value as a recording's document holds it: itself, or a reference to its blob."""
        if isinstance(value, str):
            return self._reference(value, "txt") if _too_long(value) else value
        text = json.dumps(value, ensure_ascii=False)
        if _too_long(text):
            return self._reference(text, "json")
        return escape(value)

    def get(self, value: Any) -> Any:
        """The value that a document's `{$blob: …}` stands for; any other value itself. Raises ValueError."""
        if not (isinstance(value, Mapping) and len(value) == 1):
            return value
        if "$literal" in value:
            return value["$literal"]
        if "$blob" not in value:
            return value
        name = str(value["$blob"])
        if not re.fullmatch(_NAME, name):
            raise ValueError(f"{name!r} is no blob's name")
        try:
            path = resolve_within(name, self._folder, self._folder.parent, "transcript")
            text = read_verbatim(path, _MAX_BYTES)
        except (OSError, UnicodeDecodeError, OutsideFolder):
            raise ValueError(f"the blob {FOLDER}/{name} cannot be read; it belongs to this recording") from None
        if _hash(text) != name.partition(".")[0]:
            raise ValueError(f"the blob {FOLDER}/{name} was changed: its name no longer fits its content")
        try:
            return json.loads(text) if name.endswith(".json") else text
        except (ValueError, RecursionError):
            raise ValueError(f"the blob {FOLDER}/{name} is no JSON") from None

    def write(self) -> None:
        """Write the blobs that were put and are not there yet. Raises UsageError."""
        for name, text in self._unwritten.items():
            path = self._folder / name
            if path.exists() and not path.is_symlink():
                continue
            try:
                write_in_own_folder(path, text)
            except OSError as error:
                raise UsageError(f"cannot write {path}", why=error.strerror or str(error)) from None
        self._unwritten.clear()

    @property
    def unwritten(self) -> Mapping[str, str]:
        """The texts that `write` would write, by file name."""
        return self._unwritten

    def _reference(self, text: str, suffix: str) -> dict[str, str]:
        name = f"{_hash(text)}.{suffix}"
        self._unwritten[name] = text
        return {"$blob": name}


def prune_blobs(transcript_folder: Path) -> int:
    """Delete the blobs that no YAML file of the folder names; how many there were. Other files are left alone."""
    folder = transcript_folder / FOLDER
    found = () if folder.is_symlink() else folder.glob("*")
    blobs = sorted(path for path in found if re.fullmatch(_NAME, path.name))
    texts = "".join(read_verbatim(path) for path in transcript_folder.glob("*.yaml")) if blobs else ""
    orphans = [blob for blob in blobs if blob.name not in texts]
    for blob in orphans:
        blob.unlink(missing_ok=True)
    return len(orphans)


def _too_long(text: str) -> bool:
    return len(text.encode("utf-8", "surrogatepass")) > MAX_INLINE_BYTES


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
