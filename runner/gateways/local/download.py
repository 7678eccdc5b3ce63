"""Downloads weights from the Hugging Face hub into the user's cache: whole and checked, or not there."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urljoin, urlsplit

from runner.core.errors import GatewayError, ProtocolBroken, Rejected, TimedOut, Unreachable
from runner.core.files import open_regular
from runner.core.policy import Timeouts
from runner.gateways.http.client import DownloadClient
from runner.gateways.http.credentials import Credentials
from runner.gateways.local.models import Weights

HUB = "https://huggingface.co"

_TIMEOUTS = Timeouts(connect=10, first_token=60, gap=60)
_ATTEMPTS = 4
_REDIRECTS = 5
_BLOCK_SIZE = 1 << 20
_SPARE = 1 << 30  # bytes left free on the disk by a transfer that announces no size
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
_DIGEST = re.compile(r'"?([0-9a-f]{64})"?')
_FIXES = {
    "ProtocolBroken": "check OWNER/REPO/FILE at the hub",
    "KeyRefused": "check OWNER/REPO; a file that needs an account can be fetched by hand and named by its path",
    "Unreachable": "check the network, or set HF_ENDPOINT to a mirror",
}

Progress = Callable[[int, int | None], object]


def download(weights: Weights, progress: Progress) -> Path:
    """The file in the cache, downloaded unless it is there and good.

    `progress` is called with the bytes that are there and the bytes in all (None if unknown). What has arrived stays in
    a `.part` file when the connection breaks or the user stops, and the next call resumes it. Raises GatewayError.
    """
    target = weights.cached
    with _disk_errors(target.parent):
        if target.is_file() and weights.sha256 in ("", _hash(target).hexdigest()):
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target.with_name(target.name + ".part")) as part:
            _receive_all(weights, part, progress)
            part.flush()
            os.fsync(part.fileno())
            Path(part.name).replace(target)
    return target


def _receive_all(weights: Weights, part: BinaryIO, progress: Progress) -> None:
    """Resume after each break, as long as more arrives each time."""
    attempt = 0
    while True:
        attempt += 1
        start = part.seek(0, os.SEEK_END)
        try:
            _receive(weights, part, start, progress)
            return
        except (Unreachable, TimedOut) as error:
            arrived = part.seek(0, os.SEEK_END)
            if attempt == _ATTEMPTS or arrived <= start:
                fix = "run it again: it goes on where it stopped" if arrived else _FIXES["Unreachable"]
                raise error.replace(fix=fix) from None
        except Rejected as error:
            if error.status != 416 or not start:
                raise
            part.truncate(0)  # more is here than the hub has: it was another file's
        except ProtocolBroken:
            if not start or part.seek(0, os.SEEK_END):
                raise
            # What was here did not belong to the rest, and is gone: all of it anew.


def _receive(weights: Weights, part: BinaryIO, start: int, progress: Progress) -> None:
    """Append what is missing of the file, and compare the whole with its hash. Raises GatewayError."""
    with _requested(weights, start) as body:
        total = weights.size or body.total
        _check_disk_space(Path(part.name), (total or 0) - body.first)
        part.truncate(body.first)
        part.seek(body.first)
        digest = _hash(Path(part.name))
        progress(body.first, total)
        for block in body.blocks:
            part.write(block)
            digest.update(block)
            progress(part.tell(), total)
            if total is not None and part.tell() > total:
                part.truncate(0)
                raise ProtocolBroken("the hub sends more than it announced", where=_url(weights))
            if total is None:
                _check_disk_space(Path(part.name), _SPARE)
        if total is not None and part.tell() < total:
            raise Unreachable("the hub sent less than it announced", where=_url(weights))
    part.flush()
    expected = weights.sha256 or body.sha256
    if expected and digest.hexdigest() != expected:
        part.truncate(0)
        raise ProtocolBroken(
            "what the hub sent is not the file that was asked for",
            where=_url(weights),
            why=f"its SHA-256 is {digest.hexdigest()}, and {expected} was expected",
            fix="run it again; if that does not help, HF_ENDPOINT may name a broken mirror",
        )


@dataclass(frozen=True, slots=True)
class _Body:
    """What the hub is about to send: from byte `first` on, of `total`; `sha256` of the whole file if it says so."""

    first: int
    total: int | None
    sha256: str
    blocks: Iterator[bytes]


@contextmanager
def _requested(weights: Weights, start: int) -> Iterator[_Body]:
    """Ask for the file from byte `start` on, wherever the hub redirects to. Raises GatewayError."""
    url = _url(weights)
    headers = {"Range": f"bytes={start}-"} if start else {}
    sha256 = ""
    for _ in range(_REDIRECTS):
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        hub = DownloadClient("the hub", f"{parts.scheme}://{parts.netloc}", Credentials("the hub"), fixes=_FIXES)
        with hub.get(path, headers, _TIMEOUTS) as response:
            if stated := _DIGEST.fullmatch(response.headers.get("x-linked-etag", "")):
                sha256 = stated[1]
            if not 300 <= response.status < 400:
                yield _Body(*_content_range(response.status, response.headers, start), sha256, response.body)
                return
            url = _redirected(url, response.headers.get("location", ""))
    raise ProtocolBroken("the hub redirects without end", where=_url(weights))


def _url(weights: Weights) -> str:
    hub = (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")
    return f"{hub}/{weights.repo}/resolve/main/{quote(weights.file)}"


def _redirected(url: str, location: str) -> str:
    """Where a redirect leads; never from https to anything less."""
    target = urljoin(url, location)
    schemes = ("https",) if url.startswith("https:") else ("https", "http")
    if not location or urlsplit(target).scheme not in schemes:
        raise ProtocolBroken("the hub redirects to where we do not follow", where=url, why=target)
    return target


def _content_range(status: int, headers: Mapping[str, str], start: int) -> tuple[int, int | None]:
    """The first byte of a response, and how many the whole file has."""
    if status == 206 and (content_range := _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))):
        if int(content_range[1]) != start:
            raise ProtocolBroken("the hub sent another part of the file than was asked for")
        return start, int(content_range[2])
    length = headers.get("content-length", "")
    return 0, int(length) if length.isdigit() else None


def _hash(path: Path) -> hashlib._Hash:
    digest = hashlib.sha256()
    with open_regular(path) as file:
        while block := file.read(_BLOCK_SIZE):
            digest.update(block)
    return digest


def _check_disk_space(path: Path, needed: int) -> None:
    if shutil.disk_usage(path.parent).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """What the disk refuses, as our error."""
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
def _locked(path: Path) -> Iterator[BinaryIO]:
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
