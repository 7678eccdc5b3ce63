"""Weights from the Hugging Face hub into the user's cache: whole and checked, or not there."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urljoin, urlsplit

from runner.core.cancel import Cancel
from runner.core.errors import GatewayError, ProtocolBroken, Rejected, TimedOut, Unreachable
from runner.core.policy import Timeouts
from runner.gateways.http.credentials import Key
from runner.gateways.http.errors import Scene
from runner.gateways.http.request import Answer, Call, Timers
from runner.gateways.http.transport import Wire
from runner.gateways.local.models import Weights

HUB = "https://huggingface.co"

_TIMEOUTS = Timeouts(connect=10, first_token=60, gap=60)
_ATTEMPTS = 4
_REDIRECTS = 5
_BLOCK = 1 << 20
_EXTENT = re.compile(r"bytes (\d+)-\d+/(\d+)")
_DIGEST = re.compile(r'"?([0-9a-f]{64})"?')
_FIXES = {
    "ProtocolBroken": "check OWNER/REPO/FILE at the hub",
    "KeyRefused": "check OWNER/REPO; a file that needs an account can be fetched by hand and named by its path",
    "Unreachable": "check the network, or set HF_ENDPOINT to a mirror",
}

Progress = Callable[[int, int | None], object]


def fetch(wanted: Weights, progress: Progress) -> Path:
    """The file in the cache, fetched unless it is there and good.

    `progress` hears of the bytes that are there and of all (None if unknown). What has arrived stays in a `.part` file
    when the connection breaks or the user stops, and the next call goes on from there. Raises GatewayError.
    """
    target = wanted.cached
    with _writing(target.parent):
        if target.is_file() and wanted.sha256 in ("", _hash(target).hexdigest()):
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        with _claimed(target.with_name(target.name + ".part")) as part:
            _receive_all(wanted, part, progress)
            part.flush()
            os.fsync(part.fileno())
            Path(part.name).replace(target)
    return target


def _receive_all(wanted: Weights, part: BinaryIO, progress: Progress) -> None:
    """Go on after each break, as long as more arrives each time."""
    attempt = 0
    while True:
        attempt += 1
        there = part.seek(0, os.SEEK_END)
        try:
            _receive(wanted, part, there, progress)
            return
        except (Unreachable, TimedOut) as error:
            arrived = part.seek(0, os.SEEK_END)
            if attempt == _ATTEMPTS or arrived <= there:
                fix = "run it again: it goes on where it stopped" if arrived else _FIXES["Unreachable"]
                raise error.replace(fix=fix) from None
        except Rejected as error:
            if error.status != 416 or not there:
                raise
            part.truncate(0)  # more is here than the hub has: it was another file's
        except ProtocolBroken:
            if not there or part.seek(0, os.SEEK_END):
                raise
            # What was here did not belong to the rest, and is gone: all of it anew.


def _receive(wanted: Weights, part: BinaryIO, there: int, progress: Progress) -> None:
    """Append what is missing of the file, and hold the whole against its hash. Raises GatewayError."""
    with _offered(wanted, there) as offer:
        total = wanted.size or offer.total
        _check_room(Path(part.name), (total or 0) - offer.first)
        part.truncate(offer.first)
        part.seek(offer.first)
        digest = _hash(Path(part.name))
        progress(offer.first, total)
        for block in offer.blocks:
            part.write(block)
            digest.update(block)
            progress(part.tell(), total)
    part.flush()
    expected = wanted.sha256 or offer.sha256
    if expected and digest.hexdigest() != expected:
        part.truncate(0)
        raise ProtocolBroken(
            "what the hub sent is not the file that was asked for",
            where=_address(wanted),
            why=f"its SHA-256 is {digest.hexdigest()}, and {expected} was expected",
            fix="run it again; if that does not help, HF_ENDPOINT may name a broken mirror",
        )


@dataclass(frozen=True, slots=True)
class _Offer:
    """What the hub is about to send: from byte `first` on, of `total`; `sha256` of the whole file if it says so."""

    first: int
    total: int | None
    sha256: str
    blocks: Iterator[bytes]


@contextmanager
def _offered(wanted: Weights, there: int) -> Iterator[_Offer]:
    """Ask for the file from byte `there` on, wherever the hub redirects to. Raises GatewayError."""
    address = _address(wanted)
    ranged = {"Range": f"bytes={there}-"} if there else {}
    promised = ""
    for _ in range(_REDIRECTS):
        parts = urlsplit(address)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        with closing(_Host(f"{parts.scheme}://{parts.netloc}").receive(path, ranged)) as received:
            status, headers = next(received)
            if stated := _DIGEST.fullmatch(headers.get("x-linked-etag", "")):
                promised = stated[1]
            if not 300 <= status < 400:
                yield _Offer(*_extent(status, headers, there), promised, received)
                return
            address = _redirected(address, headers.get("location", ""))
    raise ProtocolBroken("the hub redirects without end", where=_address(wanted))


class _Host(Wire):
    """The hub, or a host that it redirects to: no key is sent, and so redirects may be handed over."""

    def __init__(self, url: str) -> None:
        super().__init__("the hub", url, Key("the hub"), fixes=_FIXES)

    def receive(self, path: str, headers: Mapping[str, str]) -> Generator[Any, None, None]:
        """First the answer's status and headers, then its bytes as they arrive. Raises GatewayError."""
        timers = Timers(_TIMEOUTS, 0, None)
        call = Call("GET", path, self._headers(headers), b"", timers, Cancel())
        with self._exchange(call, "") as answer:
            yield answer.status, answer.headers
            for data in answer:
                timers.event()
                yield data

    def _refuse(self, answer: Answer, scene: Scene, call: Call) -> None:
        if not 300 <= answer.status < 400:
            super()._refuse(answer, scene, call)


def _address(wanted: Weights) -> str:
    hub = (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
    return f"{hub}/{wanted.repo}/resolve/main/{quote(wanted.file)}"


def _redirected(address: str, location: str) -> str:
    """Where a redirect leads; never from https to anything less."""
    target = urljoin(address, location)
    schemes = ("https",) if address.startswith("https:") else ("https", "http")
    if not location or urlsplit(target).scheme not in schemes:
        raise ProtocolBroken("the hub redirects to where we do not follow", where=address, why=target)
    return target


def _extent(status: int, headers: Mapping[str, str], there: int) -> tuple[int, int | None]:
    """The first byte of an answer, and how many there are in all."""
    if status == 206 and (extent := _EXTENT.fullmatch(headers.get("content-range", ""))):
        if int(extent[1]) != there:
            raise ProtocolBroken("the hub sent another part of the file than was asked for")
        return there, int(extent[2])
    length = headers.get("content-length", "")
    return 0, int(length) if length.isdigit() else None


def _hash(path: Path) -> hashlib._Hash:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest


def _check_room(path: Path, needed: int) -> None:
    if shutil.disk_usage(path.parent).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """What the disk says, as our error."""
    try:
        yield
    except OSError as error:
        fix = "make room, or set AGENT_RUN_CACHE_HOME to a folder on another disk; then run it again"
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            fix = "make the folder writable, or set AGENT_RUN_CACHE_HOME to another one"
        raise GatewayError(
            "the weights cannot be written", where=str(folder), why=error.strerror or str(error), fix=fix
        ) from error


@contextmanager
def _claimed(path: Path) -> Iterator[BinaryIO]:
    """The file, to be read and written by this process alone."""
    path.touch()
    with path.open("rb+") as file:
        with suppress(ImportError):
            import fcntl  # lazy: not everywhere

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise GatewayError(
                    "these weights are being fetched already",
                    where=str(path),
                    fix="wait for the other `agent-run pull`",
                ) from None
        yield file
