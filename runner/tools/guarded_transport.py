"""An httpx transport that connects to checked addresses only, within a deadline, and can be stopped from any thread.

A name is resolved once, by AllowedHosts, and the connection goes to an address of that answer; the request keeps the
name, for the Host header and for the certificate. No proxy is used: through one, nobody could tell which address is
reached. Importing this imports httpx: it is imported when the first request is made.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import SplitResult

import httpcore
import httpx

from runner.tools.allowed_hosts import AllowedHosts

_SHORTEST_TIMEOUT = 0.001


class GuardedTransport(httpx.BaseTransport):
    """One connection to the server of `url`, whose every wait ends with the `deadline`, a time of time.monotonic().

    Raises what the socket raises, ToolFailed for a host or an address that is not allowed.
    """

    def __init__(self, allowed: AllowedHosts, url: SplitResult, deadline: float) -> None:
        self._backend = _GuardedBackend(allowed, (url.hostname or "").lower(), deadline)
        context = ssl.create_default_context() if url.scheme == "https" else None
        self._pool = httpcore.ConnectionPool(ssl_context=context, network_backend=self._backend)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        response = self._pool.handle_request(
            httpcore.Request(request.method, url, headers=request.headers.raw, content=request.stream)
        )
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(response),
            extensions=response.extensions,
            request=request,
        )

    def stop(self) -> None:
        """End whatever waits on the connection, the connecting included; from any thread."""
        self._backend.stop()

    def close(self) -> None:
        self._pool.close()
        self._backend.close()


class _Body(httpx.SyncByteStream):
    """The body of an httpcore response, closed with it."""

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        yield from self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class _GuardedBackend(httpcore.NetworkBackend):
    """Opens sockets to checked addresses, and keeps a handle of the one that is open."""

    def __init__(self, allowed: AllowedHosts, host: str, deadline: float) -> None:
        self._allowed = allowed
        self._host = host
        self._deadline = deadline
        self._lock = threading.Lock()
        self._open: socket.socket | None = None
        self._stopped = False

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect; `host` is the encoded spelling of the name that is checked and resolved here."""
        problem: OSError | None = None
        for family, address in self._allowed.resolve(self._host, port):
            connection = socket.socket(family, socket.SOCK_STREAM)
            self._watch(connection)
            try:
                connection.settimeout(self._remaining())
                connection.connect((address, port))
            except OSError as error:
                problem = error
                connection.close()
                continue
            return _GuardedStream(connection, self._remaining, self._watch)
        raise problem or OSError("the name has no address")

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            if self._open is not None:
                with suppress(OSError):
                    # Not the TLS socket's own method, which would pull its state from under a thread that reads.
                    socket.socket.shutdown(self._open, socket.SHUT_RDWR)

    def close(self) -> None:
        with self._lock:
            if self._open is not None:
                self._open.close()

    def _watch(self, connection: socket.socket) -> None:
        """Let `stop` reach this socket from now on."""
        with self._lock:
            self._open = connection
            if self._stopped:
                connection.close()

    def _remaining(self) -> float:
        return max(_SHORTEST_TIMEOUT, self._deadline - time.monotonic())


class _GuardedStream(httpcore.NetworkStream):
    """A connected socket whose every wait ends with the deadline."""

    def __init__(
        self, connection: socket.socket, remaining: Callable[[], float], watch: Callable[[socket.socket], None]
    ) -> None:
        self._socket = connection
        self._remaining = remaining
        self._watch = watch

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._socket.settimeout(self._remaining())
        return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._socket.settimeout(self._remaining())
        self._socket.sendall(buffer)

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = ssl_context.wrap_socket(self._socket, server_hostname=server_hostname, do_handshake_on_connect=False)
        self._socket = secured
        self._watch(secured)
        secured.settimeout(self._remaining())
        secured.do_handshake()
        return self

    def get_extra_info(self, info: str) -> Any:
        return self._socket if info == "socket" else None
