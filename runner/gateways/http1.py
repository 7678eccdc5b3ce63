"""HTTP/1.1 over one socket, by the standard library: every read waits exactly as long as the timers still allow."""

from __future__ import annotations

import io
import os
import select
import socket
import time
from collections.abc import Iterator
from http.client import HTTPResponse, IncompleteRead
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from runner.core.errors import Unreachable
from runner.gateways.calls import Answer, Call, Timers

if TYPE_CHECKING:
    import ssl

_READ = 65_536


class _Reader(io.RawIOBase):
    """The receiving side of a socket, under the timers."""

    def __init__(self, sock: socket.socket, timers: Timers) -> None:
        self._sock = sock
        self._timers = timers

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            self._sock.settimeout(self._timers.remaining())
            began = time.monotonic()
            try:
                return self._sock.recv_into(buffer)
            except TimeoutError:
                continue
            finally:
                self._timers.waited(time.monotonic() - began)


class _Receiving:
    """What HTTPResponse wants of a socket: a file to read from."""

    def __init__(self, reader: _Reader) -> None:
        self._reader = reader

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._reader, _READ)


class Direct:
    """One connection to one server."""

    def __init__(self, url: str, tls: ssl.SSLContext | None, connect: float) -> None:
        parts = urlsplit(url)
        self.host = parts.hostname or ""
        self._authority = parts.netloc.rpartition("@")[2]
        self._prefix = parts.path.rstrip("/")
        port = parts.port or (443 if tls else 80)
        sock = socket.create_connection((self.host, port), timeout=connect)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sock = tls.wrap_socket(sock, server_hostname=self.host) if tls else sock
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

    def send(self, call: Call) -> Answer:
        """Send a request and read the head of its answer."""
        lines = [f"{call.method} {self._prefix}{call.path} HTTP/1.1", f"Host: {self._authority}"]
        lines += [f"{name}: {value}" for name, value in call.headers.items()]
        if call.method == "POST":
            lines.append(f"Content-Length: {len(call.body)}")
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        self._sock.settimeout(call.timers.remaining())
        try:
            self._sock.sendall(head + call.body)
        except TimeoutError:
            call.timers.ring()
        answer = HTTPResponse(_Receiving(_Reader(self._sock, call.timers)), method=call.method)  # type: ignore[arg-type]
        answer.begin()
        return DirectAnswer(answer)

    def shut(self) -> None:
        """Make a read that waits in any thread return."""
        socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        self._sock.close()


class DirectAnswer:
    """The answer to one request: status, headers in lower case, and the body as it arrives."""

    def __init__(self, answer: HTTPResponse) -> None:
        self._answer = answer
        self.status = answer.status
        self.headers = {name.lower(): value for name, value in answer.getheaders()}

    @property
    def reusable(self) -> bool:
        """The whole body was read, and the server lets the connection stand."""
        return self._answer.isclosed() and not self._answer.will_close

    def __iter__(self) -> Iterator[bytes]:
        """The body's bytes as they arrive. Raises OSError, HTTPException, TimedOut."""
        read1 = self._answer.read1
        while data := read1(_READ):
            yield data
        if self._answer.length:
            raise IncompleteRead(b"", self._answer.length)
        if not self._answer.isclosed():
            self._answer.close()


def trust(bundle: str) -> ssl.SSLContext:
    """The TLS context: the CA file `bundle`, or SSL_CERT_FILE, or the system's authorities with certifi's."""
    import ssl  # lazy: for https alone

    chosen = bundle or os.environ.get("SSL_CERT_FILE") or None
    try:
        context = ssl.create_default_context(cafile=chosen)
    except OSError as error:
        raise Unreachable(
            f"the CA file {chosen} cannot be used", why=str(error), fix="check SSL_CERT_FILE or ca_bundle"
        ) from error
    if chosen is None:
        import certifi  # lazy: for https alone

        context.load_verify_locations(certifi.where())
    return context
