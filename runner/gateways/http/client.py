"""The HTTP client, by httpx, of whatever is not a model's reply: downloads, and the doctor's questions."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from runner.core.cancel import Cancel
from runner.core.policy import Timeouts
from runner.gateways.http.error_context import ErrorContext
from runner.gateways.http.httpx_connection import HttpxConnection
from runner.gateways.http.messages import HttpConnection, HttpRequest, HttpResponse
from runner.gateways.http.server_urls import proxy_for
from runner.gateways.http.timers import Timers
from runner.gateways.http.transport import HttpTransport


class HttpClient(HttpTransport):
    """A transport whose every connection is httpx's, directly or through the environment's proxy."""

    def _connect(self, timers: Timers) -> HttpConnection:
        return HttpxConnection(self.url, proxy_for(self.url), self._tls_context(), timers)


@dataclass(frozen=True, slots=True)
class Download:
    """A response whose `body` arrives as it is read, each piece within `timeouts.gap`. Reading raises GatewayError."""

    status: int
    headers: Mapping[str, str]
    body: Iterator[bytes]


class DownloadClient(HttpClient):
    """Gets files; a redirect is handed over like any good response, since no key is sent."""

    @contextmanager
    def get(self, path: str, headers: Mapping[str, str], timeouts: Timeouts) -> Iterator[Download]:
        """The response to a GET of `path`. Raises GatewayError."""
        timers = Timers(timeouts, self._first_token, None)
        with closing(
            self._receive(HttpRequest("GET", path, self._headers(headers), b"", timers, Cancel()))
        ) as received:
            response = next(received)
            yield Download(response.status, response.headers, received)

    def _receive(self, request: HttpRequest) -> Generator[Any, None, None]:
        """The response, then the pieces of its body: what fails between them, at the reader's, is not the server's."""
        with self._response(request, "") as response:
            yield response
            for data in response:
                request.timers.restart()
                yield data

    def _check_status(self, response: HttpResponse, context: ErrorContext, request: HttpRequest) -> None:
        if not 300 <= response.status < 400:
            super()._check_status(response, context, request)
