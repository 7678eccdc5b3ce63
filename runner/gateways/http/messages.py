"""An HTTP request, the response to it and the connection that carries both, whatever library makes them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from runner.core.cancel import Cancel
from runner.core.errors import ProtocolBroken
from runner.gateways.http.timers import Timers

_DECOMPRESSED_AT_ONCE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What is sent to a server, under which timers, and who may stop it. `path` is relative to the server's url."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    timers: Timers
    cancel: Cancel


class HttpResponse(Protocol):
    """A status, headers in lower case, and the body's bytes as they arrive; `reusable` once all of it was read."""

    status: int
    headers: dict[str, str]

    @property
    def reusable(self) -> bool: ...
    def __iter__(self) -> Iterator[bytes]: ...


class HttpConnection(Protocol):
    """One connection; what breaks raises OSError, HTTPException or TimedOut."""

    @property
    def stale(self) -> bool: ...
    def send(self, request: HttpRequest) -> HttpResponse: ...
    def shutdown(self) -> None: ...
    def close(self) -> None: ...


class ProxyFailed(ConnectionError):
    """The proxy on the way could not be reached, or did not let us through."""


def request_target(url: str, path: str) -> str:
    """Path and query of `path` below `url`; a query of the url goes with every request, as Azure wants it."""
    parts = urlsplit(url)
    path, _, query = path.partition("?")
    both = "&".join(filter(None, (parts.query, query)))
    return parts.path.rstrip("/") + path + ("?" + both if both else "")


def is_document(response: HttpResponse) -> bool:
    """Whether the body is one JSON value, or a page instead of one, though a stream of events was asked for."""
    media_type = content_type(response)
    return media_type in ("application/json", "text/html") or media_type.endswith("+json")


def content_type(response: HttpResponse) -> str:
    """The media type of the body, without parameters."""
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


def decompressed(response: HttpResponse) -> Iterator[bytes]:
    """The body's bytes, decompressed for a server that compresses unasked. Raises ProtocolBroken where that fails."""
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        yield from response
    elif encoding in ("gzip", "x-gzip", "deflate"):
        decompressor = zlib.decompressobj(zlib.MAX_WBITS | 32)
        for data in response:
            while data:
                try:
                    piece = decompressor.decompress(data, _DECOMPRESSED_AT_ONCE)
                except zlib.error as error:
                    raise _unreadable(encoding, str(error)) from error
                yield piece
                data = decompressor.unconsumed_tail
    else:
        raise _unreadable(encoding, "only uncompressed answers were asked for")


def _unreadable(encoding: str, why: str) -> ProtocolBroken:
    return ProtocolBroken(
        f"an answer compressed by {encoding!r} cannot be read",
        why=why,
        fix="make the server, or what stands before it, send its answers uncompressed",
    )
