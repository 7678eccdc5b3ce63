"""HTTP by httpx, as a connection: through a proxy, and for whatever is not a model's reply."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from socket import SHUT_RDWR
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from runner.gateways.http.messages import HttpRequest, ProxyFailed, request_target
from runner.gateways.http.timers import Timers

if TYPE_CHECKING:
    import ssl

    import httpx


class HttpxConnection:
    """One connection, through `proxy` unless that is empty; the timers are looked at between its reads."""

    stale = False

    def __init__(self, url: str, proxy: str, tls: ssl.SSLContext | None, timers: Timers) -> None:
        import httpx  # lazy: 60 ms, for proxies, downloads and the doctor alone

        self._url = url
        self._proxy = urlsplit(proxy).netloc.rpartition("@")[2]
        self._response: httpx.Response | None = None
        timeout = httpx.Timeout(timers.remaining(), connect=timers.connect)
        try:
            self._client = httpx.Client(proxy=proxy or None, trust_env=False, verify=tls or False, timeout=timeout)
        except (ImportError, ValueError) as error:  # a kind of proxy that httpx cannot speak to
            raise ProxyFailed(f"{self._proxy}: {error}") from error

    def send(self, request: HttpRequest) -> HttpxResponse:
        """Send a request and read the head of its response."""
        url = urljoin(self._url, request_target(self._url, request.path))
        with self.as_socket_errors(request.timers):
            built = self._client.build_request(
                request.method, url, headers=request.headers, content=request.body or None
            )
            self._response = self._client.send(built, stream=True)
        return HttpxResponse(self, self._response, request.timers)

    @contextmanager
    def as_socket_errors(self, timers: Timers) -> Iterator[None]:
        """Errors of httpx as those that a socket raises, or as the timer that expired."""
        import httpx  # lazy, as above

        try:
            yield
        except httpx.TransportError as error:
            if isinstance(error, httpx.ReadTimeout):
                timers.expire()
            if isinstance(error, httpx.TimeoutException):
                raise TimeoutError(str(error)) from error
            message = str(error) or type(error).__name__
            if self._proxy and isinstance(error, httpx.ConnectError | httpx.ProxyError) and "SSL" not in message:
                raise ProxyFailed(f"{self._proxy}: {message}") from error
            raise _os_error(error) or ConnectionError(message) from error

    def shutdown(self) -> None:
        """Make a read that waits in any thread return."""
        if self._response is not None:
            stream = self._response.extensions["network_stream"]
            stream.get_extra_info("socket").shutdown(SHUT_RDWR)

    def close(self) -> None:
        self._client.close()


class HttpxResponse:
    """The response that came by httpx; its connection is not used again."""

    reusable = False

    def __init__(self, connection: HttpxConnection, response: httpx.Response, timers: Timers) -> None:
        self.status = response.status_code
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        self._connection = connection
        self._raw = response.iter_raw()
        self._timers = timers

    def __iter__(self) -> Iterator[bytes]:
        while True:
            started = time.monotonic()
            with self._connection.as_socket_errors(self._timers):
                data = next(self._raw, b"")
            self._timers.add_wait(time.monotonic() - started)
            if not data:
                return
            yield data
            self._timers.remaining()


def _os_error(error: BaseException | None) -> OSError | None:
    """The socket's own error, from which httpx made its own."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error
