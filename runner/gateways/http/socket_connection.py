"""HTTP/1.1 over one socket, by the standard library: the measured fast path of a model's reply.

Every read waits exactly as long as the timers still allow.
"""

from __future__ import annotations

import http.client
import io
import select
import socket
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from runner.core.addresses import loopback_alone
from runner.gateways.http.chunked_body import ChunkedBody
from runner.gateways.http.messages import HttpRequest, request_target
from runner.gateways.http.timers import Timers

if TYPE_CHECKING:
    import ssl

_READ_SIZE = 65_536


def _connect(host: str, port: int, seconds: float) -> socket.socket:
    """A connection to the first address of the host that takes one, all within `seconds`. Raises OSError."""
    deadline = time.monotonic() + seconds
    addresses = loopback_alone(host, _addresses(host, port, seconds))
    for left, (family, kind, protocol, _, address) in zip(range(len(addresses), 0, -1), addresses, strict=True):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(max(0.001, (deadline - time.monotonic()) / left))
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
        else:
            sock.settimeout(max(0.001, deadline - time.monotonic()))
            return sock
    raise failure


def _addresses(host: str, port: int, seconds: float) -> list[Any]:
    """The host's addresses; the resolver, which knows no timeout, is given up after `seconds`. Raises OSError."""
    if host == "localhost" or not host.strip("0123456789.") or ":" in host:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    answers: list[Any] = []

    def resolve() -> None:
        try:
            answers.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answers.append(error)

    thread = threading.Thread(target=resolve, daemon=True, name="resolver")
    thread.start()
    thread.join(seconds)
    if not answers:
        raise TimeoutError(f"{host} was not found within {seconds:g} s")
    if isinstance(answers[0], Exception):
        raise answers[0]
    return answers[0]  # type: ignore[no-any-return]


class _TimedReader(io.RawIOBase):
    """The receiving side of a socket, under the timers."""

    def __init__(self, sock: socket.socket, timers: Timers) -> None:
        self._sock = sock
        self._timers = timers

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            self._sock.settimeout(self._timers.remaining())
            started = time.monotonic()
            try:
                return self._sock.recv_into(buffer)
            except TimeoutError:
                continue
            finally:
                self._timers.add_wait(time.monotonic() - started)


class _ReadableSocket:
    """What http.client asks of a socket: a file to read from."""

    def __init__(self, reader: _TimedReader) -> None:
        self._reader = reader

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._reader, _READ_SIZE)


class SocketConnection:
    """One connection to one server. Making it connects: raises OSError."""

    def __init__(self, url: str, tls: ssl.SSLContext | None, connect_timeout: float) -> None:
        parts = urlsplit(url)
        host = parts.hostname or ""
        self._url = url
        self._response: http.client.HTTPResponse | None = None
        self._authority = parts.netloc.rpartition("@")[2]
        sock = _connect(host, parts.port or (443 if tls else 80), connect_timeout)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sock = tls.wrap_socket(sock, server_hostname=host) if tls else sock
        except BaseException:
            sock.close()
            raise

    @property
    def stale(self) -> bool:
        """An idle connection on which something has arrived: its end, as a rule."""
        try:
            return bool(select.select([self._sock], [], [], 0)[0])
        except (OSError, ValueError):
            return True

    def send(self, request: HttpRequest) -> SocketResponse:
        """Send a request and read the head of its response."""
        lines = [f"{request.method} {request_target(self._url, request.path)} HTTP/1.1", f"Host: {self._authority}"]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        if request.method == "POST":
            lines.append(f"Content-Length: {len(request.body)}")
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        self._sock.settimeout(request.timers.remaining())
        try:
            self._sock.sendall(head + request.body)
        except TimeoutError:
            request.timers.expire()
        readable: Any = _ReadableSocket(_TimedReader(self._sock, request.timers))
        response = self._response = http.client.HTTPResponse(readable, method=request.method)
        response.begin()
        return SocketResponse(response)

    def shutdown(self) -> None:
        """Make a read that waits in any thread return."""
        socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        if self._response is not None:
            self._response.close()  # before the collector, which may close first what the response closes itself
        self._sock.close()


class SocketResponse:
    """The response to one request: status, headers in lower case, and the body as it arrives."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response
        self._read_whole = False
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}

    @property
    def reusable(self) -> bool:
        """The whole body was read, and the server lets the connection stand."""
        return self._read_whole and not self._response.will_close

    def __iter__(self) -> Iterator[bytes]:
        """The body's bytes as they arrive. Raises OSError, HTTPException, TimedOut."""
        yield from self._chunked() if self._response.chunked else self._unchunked()
        self._response.close()
        self._read_whole = True

    def _unchunked(self) -> Iterator[bytes]:
        while data := self._response.read1(_READ_SIZE):
            yield data
        if self._response.length:
            raise http.client.IncompleteRead(b"", self._response.length)

    def _chunked(self) -> Iterator[bytes]:
        """All that has arrived at once, however many chunks it came in: servers send one for each token."""
        chunked = ChunkedBody()
        while not chunked.ended:
            data = self._response.fp.read1(_READ_SIZE)
            if not data:
                raise http.client.IncompleteRead(b"")
            if body := chunked.feed(data):
                yield body
