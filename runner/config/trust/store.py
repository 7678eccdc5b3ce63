"""What the user consented to: one private file an agent, in the user's own state folder and never beside the agent."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from runner.config.trust.manifest import Closure
from runner.core.errors import UsageError
from runner.tools.output_limit import state_home

_Notify = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Consent:
    """Consent for exactly this content of this file; `given` is the time in UTC, as ISO 8601.

    `texts` are the files as they were read then, so that a change can be shown; what is no short text is not kept.
    """

    path: str
    hash: str
    files: Mapping[str, str]
    texts: Mapping[str, str]
    deeds: tuple[str, ...]
    given: str

    @classmethod
    def now(cls, agent: Path, closure: Closure) -> Consent:
        from datetime import UTC, datetime  # lazy: consent is given rarely

        given = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(os.path.realpath(agent), closure.hash, closure.files, closure.texts(), closure.deeds, given)


def folder() -> Path:
    """Where the consents are kept."""
    return state_home() / "trust"


def recall(agent: Path, notify: _Notify) -> Consent | None:
    """The consent for the file, whatever its content was then; a record that cannot be relied on is none, and told."""
    return _read(_record(agent), notify)


def all_consents(notify: _Notify) -> Iterator[Consent]:
    """Every consent that stands, by path."""
    try:
        records = sorted(folder().glob("*.json"))
    except OSError:
        return
    found = [consent for record in records if (consent := _read(record, notify))]
    yield from sorted(found, key=lambda consent: consent.path)


def keep(consent: Consent) -> None:
    """Write the consent down, whole or not at all. Raises UsageError."""
    record = _record(Path(consent.path))
    draft = record.with_suffix(f".{os.getpid()}.draft")
    try:
        record.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        record.parent.chmod(0o700)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(asdict(consent), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(record)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise _unkept(record, error) from None


def forget(agent: Path) -> bool:
    """Take the consent back; False if there was none. Raises UsageError."""
    record = _record(agent)
    try:
        record.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _unkept(record, error) from None
    return True


def _unkept(record: Path, error: OSError) -> UsageError:
    where, why = str(record), error.strerror or ""
    return UsageError("the record of trust cannot be changed", where=where, why=why, fix="make its folder writable")


def _record(agent: Path) -> Path:
    name = sha256(os.path.realpath(agent).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return folder() / f"{name}.json"


def _read(record: Path, notify: _Notify) -> Consent | None:
    try:
        with record.open("rb") as file:
            status = os.fstat(file.fileno())
            found = json.loads(file.read())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        notify(f"the record of trust {record} cannot be read, and counts for nothing: {error}")
        return None
    if os.name == "posix" and (status.st_uid != os.getuid() or status.st_mode & 0o022):
        notify(f"the record of trust {record} can be written by others, and counts for nothing")
        return None
    consent = _consent(found)
    if consent is None or _record(Path(consent.path)) != record:
        notify(f"the record of trust {record} is damaged, and counts for nothing")
        return None
    return consent


def _consent(found: Any) -> Consent | None:
    """The record as a value, if it has that shape."""
    try:
        files, texts = dict(found["files"]), dict(found["texts"])
        consent = Consent(found["path"], found["hash"], files, texts, tuple(found["deeds"]), found["given"])
    except (KeyError, TypeError, ValueError):
        return None
    said = (consent.path, consent.hash, consent.given, *files, *files.values(), *texts.values(), *consent.deeds)
    return consent if all(isinstance(each, str) for each in said) else None
