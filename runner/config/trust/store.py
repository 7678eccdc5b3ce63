"""The store of consent: one private file an agent, in the user's own state folder and never beside the agent."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from runner.config.trust.manifest import Manifest
from runner.core.dirs import state_folder
from runner.core.errors import UsageError
from runner.core.files import open_regular, write_private

_MAX_BYTES = 256 * 2**20  # of a record that keeps the texts of many files

_KEYS_BEFORE = {"path", "hash", "files", "texts", "deeds", "given"}
"""Of a record of a version in which consent covered the words for the model, too."""


@dataclass(frozen=True, slots=True)
class Consent:
    """Consent for exactly this content of this file; `given` is the time in UTC, as ISO 8601.

    `texts` are the files as they were read then, so that a change can be shown; what is no short text is not kept.
    """

    path: str
    hash: str
    files: Mapping[str, str]
    texts: Mapping[str, str]
    capabilities: tuple[str, ...]
    declarations: Mapping[str, str]
    given: str

    @classmethod
    def now(cls, agent: Path, manifest: Manifest) -> Consent:
        from datetime import UTC, datetime  # lazy: consent is given rarely

        given = datetime.now(UTC).isoformat(timespec="seconds")
        path, texts, capabilities = os.path.realpath(agent), manifest.texts, manifest.capabilities
        return cls(path, manifest.hash, manifest.files, texts, capabilities, manifest.declarations, given)

    def to_dict(self) -> dict[str, Any]:
        """The record in its file, whose keys do not change: consent outlives the version it was given to."""
        return {
            "path": self.path,
            "hash": self.hash,
            "files": self.files,
            "texts": self.texts,
            "deeds": self.capabilities,
            "declarations": self.declarations,
            "given": self.given,
        }


class TrustStore:
    """The records of consent; `notify` is told of those that cannot be relied on, which count for nothing."""

    def __init__(self, notify: Callable[[str], None] = lambda text: None) -> None:
        self._notify = notify
        self.folder = state_folder() / "trust"

    def load(self, agent: Path) -> Consent | None:
        """The consent for the file, whatever its content was then."""
        return self._read(self._record(agent))

    def load_all(self) -> list[Consent]:
        """Every consent that can be relied on, by path."""
        try:
            records = sorted(self.folder.glob("*.json"))
        except OSError:
            return []
        consents = [consent for record in records if (consent := self._read(record))]
        return sorted(consents, key=lambda consent: consent.path)

    def save(self, consent: Consent) -> None:
        """Write the consent down, whole or not at all. Raises UsageError."""
        record = self._record(Path(consent.path))
        try:
            write_private(record, json.dumps(consent.to_dict(), indent=1))
        except OSError as error:
            raise _not_writable(record, error) from None

    def remove(self, agent: Path) -> bool:
        """Take the consent back; False if there was none. Raises UsageError."""
        record = self._record(agent)
        try:
            record.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _not_writable(record, error) from None
        return True

    def _record(self, agent: Path) -> Path:
        name = sha256(os.path.realpath(agent).encode("utf-8", "surrogateescape")).hexdigest()[:32]
        return self.folder / f"{name}.json"

    def _read(self, record: Path) -> Consent | None:
        try:
            with open_regular(record) as file:
                status = os.fstat(file.fileno())
                value = json.loads(file.read(_MAX_BYTES))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            self._notify(f"the record of trust {record} cannot be read, and counts for nothing: {error}")
            return None
        if os.name == "posix" and (status.st_uid != os.getuid() or status.st_mode & 0o022):
            self._notify(f"the record of trust {record} can be written by others, and counts for nothing")
            return None
        if isinstance(value, dict) and value.keys() == _KEYS_BEFORE:
            self._notify(f"the record of trust {record} is of an earlier version: you are asked once more")
            return None
        consent = _consent(value)
        if consent is None or self._record(Path(consent.path)) != record:
            self._notify(f"the record of trust {record} is damaged, and counts for nothing")
            return None
        return consent


def _not_writable(record: Path, error: OSError) -> UsageError:
    where, why = str(record), error.strerror or ""
    return UsageError("the record of trust cannot be changed", where=where, why=why, fix="make its folder writable")


def _consent(value: Any) -> Consent | None:
    """The record as a value, if it has that shape."""
    try:
        files, texts, declarations = (dict(value[key]) for key in ("files", "texts", "declarations"))
        capabilities = tuple(value["deeds"])
        consent = Consent(value["path"], value["hash"], files, texts, capabilities, declarations, value["given"])
    except (KeyError, TypeError, ValueError):
        return None
    texts_in_all = (*files, *files.values(), *texts.values(), *capabilities, *declarations, *declarations.values())
    parts = (consent.path, consent.hash, consent.given, *texts_in_all)
    return consent if all(isinstance(part, str) for part in parts) else None
