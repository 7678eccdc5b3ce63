"""What is too long to read in a transcript lies beside it in `.blobs/`, named by its hash."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.transcripts.files.documents import write_atomically

FOLDER = ".blobs"
LONGEST = 4096
_NAME = re.compile(r"[0-9a-f]{32}\.(?:txt|json)")
_ESCAPE = frozenset({"$blob", "$literal"})


class Blobs:
    """The blobs of one folder of transcripts: `put` takes long values out, `get` brings them back."""

    def __init__(self, folder: Path) -> None:
        self._beside = folder
        self._fresh: dict[str, str] = {}

    @property
    def _folder(self) -> Path:
        return self._beside / FOLDER

    def put(self, value: Any) -> Any:
        """The value as a recording's document holds it."""
        if isinstance(value, str):
            return self._keep(value, "txt") if len(value.encode("utf-8", "surrogatepass")) > LONGEST else value
        text = json.dumps(value, ensure_ascii=False)
        if len(text.encode("utf-8", "surrogatepass")) > LONGEST:
            return self._keep(text, "json")
        return (
            {"$literal": value} if isinstance(value, Mapping) and len(value) == 1 and _ESCAPE & value.keys() else value
        )

    def get(self, value: Any) -> Any:
        """The value that a document's `{$blob: …}` stands for. Raises ValueError."""
        if not (isinstance(value, Mapping) and len(value) == 1):
            return value
        if "$literal" in value:
            return value["$literal"]
        if "$blob" not in value:
            return value
        name = str(value["$blob"])
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no blob's name")
        try:
            text = (self._folder / name).read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            raise ValueError(f"the blob {FOLDER}/{name} cannot be read; it belongs to this recording") from None
        if _hash(text) != name.partition(".")[0]:
            raise ValueError(f"the blob {FOLDER}/{name} was changed: its name no longer fits its content")
        return json.loads(text) if name.endswith(".json") else text

    def write(self) -> None:
        """Write what was put and is not there yet."""
        for name, text in self._fresh.items():
            if not (self._folder / name).exists():
                write_atomically(self._folder / name, text)
        self._fresh.clear()

    @property
    def fresh(self) -> Mapping[str, str]:
        """What `write` would write, by name."""
        return self._fresh

    def _keep(self, text: str, suffix: str) -> dict[str, str]:
        name = f"{_hash(text)}.{suffix}"
        self._fresh[name] = text
        return {"$blob": name}


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
