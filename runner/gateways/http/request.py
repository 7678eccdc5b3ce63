"""One call to a server: what is sent, and how long each part of the answer may take."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn, Protocol
from urllib.parse import urlsplit

from runner.core.cancel import Cancel
from runner.core.chunks import Chunk
from runner.core.errors import ProtocolBroken, TimedOut
from runner.core.policy import Timeouts

EVENTS = "text/event-stream"
JSON_LINES = "application/x-ndjson"
_LONGEST = 3600.0
_AT_ONCE = 1024 * 1024


class Timers:
    """What one call may still wait for: its first event, the next one, and its end.

    Only time spent waiting for the server counts, so that a slow consumer never makes a timer ring;
    `event()` says that a real event was decoded, which pings and comments are not.
    """

    def __init__(self, timeouts: Timeouts, first_token: float, seconds: float | None) -> None:
        self.connect = timeouts.connect
        self._gap = timeouts.gap
        self._budget = timeouts.first_token if timeouts.first_token is not None else first_token
        self._name = "timeouts.first_token"
        self._waited = 0.0
        self._seconds = seconds
        self._began = time.monotonic()

    def event(self, linger: float | None = None) -> None:
        """An event came: wait for the next, at most `linger` seconds where nothing more is needed."""
        self._name = "timeouts.gap"
        self._budget = self._gap if linger is None else min(linger, self._gap)
        self._waited = 0.0

    def remaining(self) -> float:
        """Seconds until the next timer rings, or until it should be looked at again. Raises TimedOut when it has."""
        left = min(self._budget - self._waited, _LONGEST)
        if self._seconds is not None:
            total = self._seconds - (time.monotonic() - self._began)
            if total <= 0:
                raise TimedOut(
                    f"the call took longer than {self._seconds:g} s in all",
                    fix="raise limits.seconds in the agent file",
                )
            left = min(left, total)
        if left <= 0:
            self.ring()
        return left

    def ring(self) -> NoReturn:
        """Raise TimedOut for the event that is awaited."""
        awaited = "the first event" if self._name == "timeouts.first_token" else "the next event"
        raise TimedOut(
            f"no answer: waited {self._budget:g} s for {awaited}",
            why=f"the timer {self._name} rang",
            fix=f"raise {self._name} in the agent file, or see whether the server is busy",
        )

    def waited(self, seconds: float) -> None:
        """Count seconds spent in waiting for the server."""
        self._waited += seconds


@dataclass(frozen=True, slots=True)
class Call:
    """What is sent to a server, under which timers, and who may stop it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    timers: Timers
    cancel: Cancel


class ProxyFailed(ConnectionError):
    """The proxy on the way could not be reached, or did not let us through."""


class Answer(Protocol):
    """A status, headers in lower case, and the body's bytes as they arrive; `reusable` once all of it was read."""

    status: int
    headers: dict[str, str]

    @property
    def reusable(self) -> bool: ...
    def __iter__(self) -> Iterator[bytes]: ...


class Connection(Protocol):
    """One connection; what breaks raises OSError, HTTPException or TimedOut."""

    @property
    def stale(self) -> bool: ...
    def send(self, call: Call) -> Answer: ...
    def shut(self) -> None: ...
    def close(self) -> None: ...


class Decoder(Protocol):
    """The pure half of a dialect: bytes to chunks, the same however the bytes are split.

    `events` counts what was decoded, without pings. `complete`: the terminator was seen, so a break loses nothing.
    `ended`: the DoneChunk was given, and nothing more is awaited.
    """

    events: int
    complete: bool
    ended: bool

    def feed(self, data: bytes) -> Iterator[Chunk]:
        """The chunks that `data` completes; read it to its end. Raises GatewayError after those that came before."""

    def end(self) -> Iterator[Chunk]:
        """What is left when the bytes end. Raises IncompleteReply where no terminator came."""

    def whole(self, data: bytes) -> Iterator[Chunk]:
        """The chunks of a reply that came in one piece. Raises GatewayError."""


def target(url: str, path: str) -> str:
    """Path and query of `path` below `url`; a query of the url goes with every request, as Azure wants it."""
    parts = urlsplit(url)
    path, _, query = path.partition("?")
    both = "&".join(filter(None, (parts.query, query)))
    return parts.path.rstrip("/") + path + ("?" + both if both else "")


def is_whole(answer: Answer) -> bool:
    """Whether the body comes in one piece, whatever was asked for: a JSON value, or a page instead of one."""
    kind = content_type(answer)
    return kind in ("application/json", "text/html") or kind.endswith("+json")


def content_type(answer: Answer) -> str:
    """The media type of the body, without parameters."""
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()


def unpacked(answer: Answer) -> Iterator[bytes]:
    """The body's bytes, decompressed for a server that compresses unasked. Raises ProtocolBroken where that fails."""
    encoding = answer.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        yield from answer
    elif encoding in ("gzip", "x-gzip", "deflate"):
        unpack = zlib.decompressobj(zlib.MAX_WBITS | 32)
        for data in answer:
            while data:
                try:
                    piece = unpack.decompress(data, _AT_ONCE)
                except zlib.error as error:
                    raise _packed(encoding, str(error)) from error
                yield piece
                data = unpack.unconsumed_tail
    else:
        raise _packed(encoding, "only uncompressed answers were asked for")


def _packed(encoding: str, why: str) -> ProtocolBroken:
    return ProtocolBroken(
        f"an answer compressed by {encoding!r} cannot be read",
        why=why,
        fix="make the server, or what stands before it, send its answers uncompressed",
    )
