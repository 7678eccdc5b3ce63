"""The guarded way out for tools that speak HTTP: one request, its redirects re-checked, its time and size bounded.

Proxies are not used: through one, nobody could tell which address is reached.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from runner.core.cancel import Cancel
from runner.tools.allowed_hosts import PORTS, Reach, authority, port_of
from runner.tools.context import ToolFailed

if TYPE_CHECKING:
    import http.client

MAX_BODY = 8_000_000
MAX_REDIRECTS = 5
_CONTENT_HEADERS = frozenset({"accept", "content-type", "user-agent"})
_OWN_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close", "User-Agent": "agent-run"}
_URL_CHARACTERS = "%/:=&?~#+!$,;'@()*[]"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request; `hosts` are the names that may be reached besides the url's own: `host`, `host:port`, `*.host`."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    hosts: tuple[str, ...] = ()
    seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `cut` where the body was longer than MAX_BODY."""

    status: int
    reason: str
    media_type: str
    charset: str
    body: bytes
    url: str
    cut: bool = False

    @property
    def text(self) -> str:
        """The body as text; what its charset cannot read becomes U+FFFD."""
        try:
            return self.body.decode(self.charset or "utf-8", "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")


def fetch(outgoing: Outgoing, cancel: Cancel) -> Answer:
    """The answer, after at most five redirects, each checked like the first. Raises ToolFailed, Cancelled."""
    deadline = time.monotonic() + outgoing.seconds
    reach = Reach.of(outgoing.url, outgoing.hosts)
    method, url, headers, body = outgoing.method, outgoing.url, dict(outgoing.headers), outgoing.body
    for _ in range(MAX_REDIRECTS + 1):
        with _Visit(url, reach, deadline, cancel) as visit:
            response = visit.ask(method, headers, body)
            location = response.headers.get("Location") if response.status in (301, 302, 303, 307, 308) else None
            if location is None:
                return visit.read(response)
        target = quote(urljoin(url, location), safe=_URL_CHARACTERS)
        if response.status == 303 or (response.status in (301, 302) and method == "POST"):
            method, body = "HEAD" if method == "HEAD" else "GET", None
            headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
        if not _same_place(url, target):
            headers = {name: value for name, value in headers.items() if name.lower() in _CONTENT_HEADERS}
        url = target
    raise ToolFailed(f"more than {MAX_REDIRECTS} redirects, the last to {_shown(url)}")


class _Visit:
    """One connection: opened to a checked address, bounded by the deadline, stopped by the cancel."""

    def __init__(self, url: str, reach: Reach, deadline: float, cancel: Cancel) -> None:
        self._parts = urlsplit(url)
        self._reach = reach
        self._deadline = deadline
        self._cancel = cancel
        self._socket: socket.socket | None = None
        self._response: http.client.HTTPResponse | None = None
        self._watch = self._watched()

    def __enter__(self) -> _Visit:
        self._watch.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._close()
        self._watch.__exit__(None, None, None)

    def ask(self, method: str, headers: Mapping[str, str], body: bytes | None) -> http.client.HTTPResponse:
        """Send the request and read the head of the answer."""
        import http.client  # lazy: only an agent with such a tool pays for it

        parts = self._parts
        host = _checked(parts)
        sent = _OWN_HEADERS | {name.title(): value for name, value in headers.items()} | {"Host": authority(parts)}
        path = parts.path or "/"
        with self._explained():
            connection = http.client.HTTPConnection(host, port_of(parts))
            connection.sock = self._connect(host)
            connection.request(method, f"{path}?{parts.query}" if parts.query else path, body, sent)
            self._response = connection.getresponse()
            return self._response

    def read(self, response: http.client.HTTPResponse) -> Answer:
        """The body, at most MAX_BODY bytes of it after decompression."""
        coding = response.headers.get("Content-Encoding", "identity").lower()
        body, cut = b"", False
        with self._explained():
            body, cut = _bounded(response, coding)
        if response.length and not cut:
            raise ToolFailed(f"{authority(self._parts)} broke off after {len(body)} bytes of its answer")
        headers = response.headers
        charset = str(headers.get_content_charset() or "")
        media_type = headers.get_content_type() if "Content-Type" in headers else ""
        return Answer(response.status, response.reason, media_type, charset, body, self._parts.geturl(), cut)

    def _connect(self, host: str) -> socket.socket:
        port = port_of(self._parts)
        problem: OSError | None = None
        for family, address in self._reach.addresses(host, port):
            self._socket = socket.socket(family, socket.SOCK_STREAM)
            try:
                self._socket.settimeout(max(0.001, self._deadline - time.monotonic()))
                self._socket.connect((address, port))
                if self._parts.scheme == "https":
                    self._secure(host)
            except OSError as error:
                problem = error
                self._close()
                continue
            return self._socket
        raise problem or OSError("the name has no address")

    def _secure(self, host: str) -> None:
        import ssl  # lazy: about ten milliseconds, for https alone

        plain = self._socket
        assert plain is not None
        context = ssl.create_default_context()
        self._socket = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
        self._socket.do_handshake()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Shut the socket at the deadline or on cancellation, whatever the peer trickles."""
        timer = threading.Timer(max(0.0, self._deadline - time.monotonic()), self._shut)
        timer.daemon = True
        timer.start()
        try:
            with self._cancel.on_cancel(self._shut):
                yield
        finally:
            timer.cancel()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        import http.client  # lazy, as above

        where = authority(self._parts)
        problem: Exception | None = None
        try:
            yield
        except socket.gaierror as error:
            raise ToolFailed(f"the host {where} was not found: {error.strerror}") from error
        except (OSError, http.client.HTTPException, EOFError, ValueError) as error:
            problem = error
        self._cancel.check()
        if time.monotonic() >= self._deadline or isinstance(problem, TimeoutError):
            raise ToolFailed(
                f"{where} did not answer in time; the tool's `timeout` may be raised in the agent file"
            ) from problem
        if problem is not None:
            raise ToolFailed(f"{where} could not be asked: {_reason(problem)}") from problem

    def _shut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                # Not the TLS socket's own method, which would pull its state from under a thread that reads.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _close(self) -> None:
        for each in (self._response, self._socket):
            if each is not None:
                each.close()


def _bounded(response: http.client.HTTPResponse, coding: str) -> tuple[bytes, bool]:
    """The decoded body and whether it was cut; a bomb is never unpacked beyond the bound."""
    if coding in ("identity", ""):
        body = response.read(MAX_BODY + 1)
        return body[:MAX_BODY], len(body) > MAX_BODY
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise ToolFailed(f"the answer is packed as {coding!r}, which was not asked for")
    import zlib  # lazy: servers that heed Accept-Encoding never need it

    unpacker = zlib.decompressobj(wbits=47)
    pieces: list[bytes] = []
    room = MAX_BODY + 1
    while room > 0 and (packed := response.read(65536)):
        try:
            while packed and room > 0:
                piece = unpacker.decompress(packed, room)
                pieces.append(piece)
                room -= len(piece)
                packed = unpacker.unconsumed_tail
        except zlib.error as error:
            raise ToolFailed(f"the answer is not the {coding} it claims to be: {error}") from error
    body = b"".join(pieces)
    return body[:MAX_BODY], len(body) > MAX_BODY


def _checked(parts: SplitResult) -> str:
    """The host of a url that may be asked for at all."""
    if parts.scheme not in PORTS:
        raise ToolFailed(f"only http and https are spoken, not {parts.scheme or 'a url without scheme'!r}")
    if not parts.hostname:
        raise ToolFailed("the url names no host")
    if parts.username is not None:
        raise ToolFailed("a url with a user name or password in it is not used; give a header")
    return parts.hostname.lower()


def _same_place(one: str, other: str) -> bool:
    """The same scheme, host and port, or the https door of the same host."""
    first, second = urlsplit(one), urlsplit(other)
    if first.hostname != second.hostname:
        return False
    if first.scheme == second.scheme:
        return port_of(first) == port_of(second)
    return second.scheme == "https" and (port_of(first), port_of(second)) == (80, 443)


def _shown(url: str) -> str:
    return urlsplit(url)._replace(query="", fragment="").geturl()


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", "") or error or type(error).__name__)
