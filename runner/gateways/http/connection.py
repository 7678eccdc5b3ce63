"""HTTP/1.1 over one socket, by the standard library: every read waits exactly as long as the timers still allow."""

from __future__ import annotations

import io
import os
import re
import select
import socket
import time
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from runner.core.errors import Untrusted
from runner.gateways.http.request import Answer, Call, Timers, target

if TYPE_CHECKING:
    import ssl

_READ = 65_536
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")


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
        host = parts.hostname or ""
        self._url = url
        self._authority = parts.netloc.rpartition("@")[2]
        self._response: HTTPResponse | None = None
        sock = socket.create_connection((host, parts.port or (443 if tls else 80)), timeout=connect)
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

    def send(self, call: Call) -> Answer:
        """Send a request and read the head of its answer."""
        lines = [f"{call.method} {target(self._url, call.path)} HTTP/1.1", f"Host: {self._authority}"]
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
        self._response = answer
        answer.begin()
        return DirectAnswer(answer)

    def shut(self) -> None:
        """Make a read that waits in any thread return."""
        socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        if self._response is not None:
            self._response.close()  # before the collector, which may close first what the response closes itself
        self._sock.close()


class DirectAnswer:
    """The answer to one request: status, headers in lower case, and the body as it arrives."""

    def __init__(self, answer: HTTPResponse) -> None:
        self._answer = answer
        self._whole = False
        self.status = answer.status
        self.headers = {name.lower(): value for name, value in answer.getheaders()}

    @property
    def reusable(self) -> bool:
        """The whole body was read, and the server lets the connection stand."""
        return self._whole and not self._answer.will_close

    def __iter__(self) -> Iterator[bytes]:
        """The body's bytes as they arrive. Raises OSError, HTTPException, TimedOut."""
        yield from self._unchunked() if self._answer.chunked else self._plain()
        self._answer.close()
        self._whole = True

    def _plain(self) -> Iterator[bytes]:
        while data := self._answer.read1(_READ):
            yield data
        if self._answer.length:
            raise IncompleteRead(b"", self._answer.length)

    def _unchunked(self) -> Iterator[bytes]:
        """All that has arrived at once, however many chunks it came in: servers send one for each token."""
        chunks = Chunks()
        while not chunks.ended:
            data = self._answer.fp.read1(_READ)
            if not data:
                raise IncompleteRead(b"")
            if body := chunks.feed(data):
                yield body


class Chunks:
    """Takes the framing of HTTP chunks off a body; `ended` once the last one and what trails it have come."""

    def __init__(self) -> None:
        self.ended = False
        self._rest = b""
        self._open = 0
        self._trailing = False

    def feed(self, data: bytes) -> bytes:
        """The bytes of the body in `data`. Raises HTTPException for what is no chunk."""
        data = self._rest + data
        found, at = [], 0
        while not self.ended:
            if self._open:
                piece = data[at : at + self._open]
                found.append(piece)
                at += len(piece)
                self._open -= len(piece)
            end = data.find(b"\n", at)
            if end < 0 or self._open:
                break
            self._line(data[at:end].rstrip(b"\r"))
            at = end + 1
        self._rest = data[at:]
        if len(self._rest) > _READ:
            raise HTTPException("a chunk begins with a line that does not end")
        return b"".join(found)

    def _line(self, line: bytes) -> None:
        """A line between chunks: the end of one, the size of the next, or what trails the last."""
        if self._trailing:
            self.ended = not line
        elif line:
            size = line.partition(b";")[0].strip()
            if not _SIZE.fullmatch(size):
                raise HTTPException(f"a chunk begins with {line[:20]!r}")
            self._open = int(size, 16)
            self._trailing = not self._open


def trust(bundle: str) -> ssl.SSLContext:
    """The TLS context: the CA file `bundle`, or SSL_CERT_FILE, or the system's authorities with certifi's."""
    import ssl  # lazy: for https alone

    chosen = bundle or os.environ.get("SSL_CERT_FILE") or None
    try:
        context = ssl.create_default_context(cafile=chosen)
    except OSError as error:
        raise Untrusted(
            f"the CA file {chosen} cannot be used", why=str(error), fix="check SSL_CERT_FILE or ca_bundle"
        ) from error
    if chosen is None:
        import certifi  # lazy: for https alone

        context.load_verify_locations(certifi.where())
    return context
