"""HTTP requests of tools: to allowed hosts only, redirects checked like the first, time and size bounded."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from runner.core.addresses import host_of, is_cleartext
from runner.core.cancel import Cancel
from runner.core.cleartext import found_in_clear
from runner.tools.allowed_hosts import PORTS, AllowedHosts, authority, port_of
from runner.tools.context import ToolFailed

if TYPE_CHECKING:
    import httpx

    from runner.tools.guarded_transport import GuardedTransport

MAX_BODY = 8_000_000
MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CONTENT_HEADERS = frozenset({"accept", "content-type", "user-agent"})
_OWN_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close", "User-Agent": "agent-run"}
_URL_CHARACTERS = "%/:=&?~#+!$,;'@()*[]"


@dataclass(frozen=True, slots=True)
class GuardedRequest:
    """A request; `hosts` are the names that may be reached besides the url's own: `host`, `host:port`, `*.host`.

    `seconds` is the time for all of it, redirects included.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    hosts: tuple[str, ...] = ()
    seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class GuardedResponse:
    """What came back; `cut` where the body was longer than MAX_BODY."""

    status: int
    reason: str
    media_type: str
    charset: str
    body: bytes
    cut: bool = False

    @property
    def text(self) -> str:
        """The body as text; what its charset cannot read becomes U+FFFD."""
        try:
            return self.body.decode(self.charset or "utf-8", "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")


def send_guarded(request: GuardedRequest, cancel: Cancel) -> GuardedResponse:
    """The response, after at most five redirects, each checked like the first. Raises ToolFailed, Cancelled."""
    deadline = time.monotonic() + request.seconds
    allowed = AllowedHosts.of(request.url, request.hosts)
    method, url, headers, body = request.method, request.url, dict(request.headers), request.body
    for _ in range(MAX_REDIRECTS + 1):
        _check_cleartext(url, headers)
        with _exchange(url, allowed, deadline, cancel) as exchange:
            response = exchange.send(method, headers, body)
            location = response.headers.get("Location") if response.status_code in _REDIRECTS else None
            if location is None:
                return exchange.read(response)
        target = quote(urljoin(url, location), safe=_URL_CHARACTERS)
        if url.startswith("https:") and is_cleartext(target):
            raise ToolFailed(f"{_without_query(url)} redirects to http://, where anybody on the way reads along")
        if response.status_code == 303 or (response.status_code in (301, 302) and method == "POST"):
            method, body = "HEAD" if method == "HEAD" else "GET", None
            headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
        if not _same_origin(url, target):
            headers = {name: value for name, value in headers.items() if name.lower() in _CONTENT_HEADERS}
        url = target
    raise ToolFailed(f"more than {MAX_REDIRECTS} redirects, the last to {_without_query(url)}")


@contextmanager
def _exchange(url: str, allowed: AllowedHosts, deadline: float, cancel: Cancel) -> Iterator[_Exchange]:
    """One request and its response; the connection is shut at the deadline or on cancellation, whatever comes."""
    parts = urlsplit(url)
    _check_url(parts)
    from runner.tools.guarded_transport import GuardedTransport  # lazy: httpx, for the first request of a session

    with closing(GuardedTransport(allowed, parts, deadline)) as transport:
        timer = threading.Timer(max(0.0, deadline - time.monotonic()), transport.stop)
        timer.daemon = True
        timer.start()
        try:
            with cancel.on_cancel(transport.stop):
                yield _Exchange(url, transport, deadline, cancel)
        finally:
            timer.cancel()


class _Exchange:
    """One request and its response, errors in words for the model. Raises ToolFailed, Cancelled."""

    def __init__(self, url: str, transport: GuardedTransport, deadline: float, cancel: Cancel) -> None:
        self._url = url
        self._authority = authority(urlsplit(url))
        self._transport = transport
        self._deadline = deadline
        self._cancel = cancel

    def send(self, method: str, headers: Mapping[str, str], body: bytes | None) -> httpx.Response:
        """Send the request and read the head of the response."""
        import httpx  # lazy: imported with the transport

        with self._explained():
            sent = httpx.Headers(_OWN_HEADERS)
            sent.update(headers)
            for name in ("Host", "Content-Length"):  # httpx gives the url's and the body's own
                sent.pop(name, None)
            return self._transport.handle_request(httpx.Request(method, self._url, headers=sent, content=body))

    def read(self, response: httpx.Response) -> GuardedResponse:
        """The body, at most MAX_BODY bytes of it after decompression."""
        pieces: list[bytes] = []
        cut = False
        with self._explained(pieces):
            cut = _read_bounded(response, pieces)
        return GuardedResponse(
            response.status_code,
            response.reason_phrase,
            response.headers.get("Content-Type", "").partition(";")[0].strip().lower(),
            response.charset_encoding or "",
            b"".join(pieces)[:MAX_BODY],
            cut,
        )

    @contextmanager
    def _explained(self, received: list[bytes] | None = None) -> Iterator[None]:
        """Errors of the connection as a ToolFailed; `received` is what there is of the body."""
        import httpcore  # lazy: imported with the transport
        import httpx  # lazy, as above

        problem: Exception | None = None
        try:
            yield
        except socket.gaierror as error:
            raise ToolFailed(f"the host {self._authority} was not found: {error.strerror}") from error
        except (OSError, EOFError, ValueError, httpcore.ProtocolError, httpx.HTTPError, httpx.InvalidURL) as error:
            problem = error
        self._cancel.check()
        if time.monotonic() >= self._deadline or isinstance(problem, TimeoutError):
            raise ToolFailed(
                f"{self._authority} did not answer in time; the tool's `timeout` may be raised in the agent file"
            ) from problem
        if received is not None and isinstance(problem, httpcore.RemoteProtocolError):
            length = sum(map(len, received))
            raise ToolFailed(f"{self._authority} broke off after {length} bytes of its answer") from problem
        if problem is not None:
            raise ToolFailed(f"{self._authority} could not be asked: {_reason(problem)}") from problem


def _read_bounded(response: httpx.Response, pieces: list[bytes]) -> bool:
    """Read the decoded body into `pieces`; True if it was cut. A bomb is never unpacked beyond the bound."""
    coding = response.headers.get("Content-Encoding", "identity").lower()
    if coding not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise ToolFailed(f"the answer is packed as {coding!r}, which was not asked for")
    import zlib  # lazy: with the first request

    unpacker = None if coding in ("identity", "") else zlib.decompressobj(wbits=47)
    room = MAX_BODY + 1
    for data in response.iter_raw():
        while data and room > 0:
            try:
                piece = data[:room] if unpacker is None else unpacker.decompress(data, room)
            except zlib.error as error:
                raise ToolFailed(f"the answer is not the {coding} it claims to be: {error}") from error
            data = b"" if unpacker is None else unpacker.unconsumed_tail
            pieces.append(piece)
            room -= len(piece)
        if room <= 0:
            return True
    return False


def _check_url(parts: SplitResult) -> None:
    """Raises ToolFailed for a url that may not be asked at all."""
    if parts.scheme not in PORTS:
        raise ToolFailed(f"only http and https are spoken, not {parts.scheme or 'a url without scheme'!r}")
    if not parts.hostname:
        raise ToolFailed("the url names no host")
    if parts.username is not None:
        raise ToolFailed("a url with a user name or password in it is not used; give a header")


def _check_cleartext(url: str, headers: Mapping[str, str]) -> None:
    """Raises ToolFailed where a key would go out without TLS."""
    part, what = found_in_clear(url, headers, os.environ, configured=False)
    if part:
        where = " in the url" if part == "url" else ""
        raise ToolFailed(f"{what}{where} is not sent to {host_of(url)} in clear text; the url must begin with https://")


def _same_origin(one: str, other: str) -> bool:
    """The same scheme, host and port, or the https door of the same host."""
    first, second = urlsplit(one), urlsplit(other)
    if first.hostname != second.hostname:
        return False
    if first.scheme == second.scheme:
        return port_of(first) == port_of(second)
    return second.scheme == "https" and (port_of(first), port_of(second)) == (80, 443)


def _without_query(url: str) -> str:
    return urlsplit(url)._replace(query="", fragment="").geturl()


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", "") or error or type(error).__name__)
