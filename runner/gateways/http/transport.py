"""HTTP to one server: sends a request, runs the timers, and turns what goes wrong into our errors.

Plain connections run on the standard library's sockets, which start and stream faster; proxied ones on httpx.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from runner.core.addresses import without_credentials
from runner.core.cancel import Cancel
from runner.core.chunks import Chunk
from runner.core.errors import GatewayError, IncompleteReply, ProtocolBroken, TimedOut
from runner.core.fork import call_after_fork
from runner.core.policy import Timeouts
from runner.core.secrets import redact_known
from runner.gateways import Request
from runner.gateways.http.connection_errors import connection_error, interrupted_reply, not_a_reply
from runner.gateways.http.credentials import Credentials
from runner.gateways.http.decoder import Decoder
from runner.gateways.http.error_context import ErrorContext
from runner.gateways.http.messages import (
    HttpConnection,
    HttpRequest,
    HttpResponse,
    content_type,
    decompressed,
    is_document,
)
from runner.gateways.http.server_urls import check_url, proxy_for
from runner.gateways.http.status_errors import error_from_server
from runner.gateways.http.timers import Timers

if TYPE_CHECKING:
    import ssl

EVENT_STREAM = "text/event-stream"
JSON_LINES = "application/x-ndjson"
LINGER = 5.0
"""Seconds that are waited for what follows a reply's terminator, such as its usage."""

_DRAIN_SECONDS = 0.05
_MOST_IDLE = 8
_IDLE_SECONDS = 60.0
_SHOWN_BYTES = 200
_MAX_DOCUMENT = 64 * 1024 * 1024
_JSON_TIMEOUTS = Timeouts(connect=10, first_token=10, gap=10)


class HttpTransport:
    """Sends requests to one server. Making one does no I/O; threads may share it, each call has its own connection.

    `first_token`: seconds to the first event where the agent file says nothing. `fixes`: the server's own remedies,
    by the name of the error class; {model} stands for the model.
    """

    def __init__(
        self,
        name: str,
        url: str,
        credentials: Credentials,
        *,
        first_token: float = 120.0,
        fixes: Mapping[str, str] | None = None,
        ca_bundle: str = "",
    ) -> None:
        self.name = name
        self.url = url.rstrip("/")
        self.credentials = credentials
        self._first_token = first_token
        self._fixes = dict(fixes or {})
        self._ca_bundle = ca_bundle
        self._tls: ssl.SSLContext | None = None
        self._shown_url: str | None = None
        self._idle: list[tuple[HttpConnection, float]] = []
        self._open: WeakSet[HttpConnection] = WeakSet()
        call_after_fork(self._forget_connections)

    @property
    def where(self) -> str:
        """The address, without user name, password and query, and without secrets in its path."""
        if self._shown_url is None:
            url = without_credentials(self.url)
            self._shown_url = self.credentials.redact(redact_known(url, os.environ))
        return self._shown_url

    def error_context(self, model: str = "") -> ErrorContext:
        """The server and the model, for the messages of errors."""
        return ErrorContext(self.name, self.where, model, {"KeyRefused": self.credentials.fix, **self._fixes})

    def stream(
        self,
        path: str,
        body: bytes,
        request: Request,
        decoder: Decoder,
        *,
        accept: str = EVENT_STREAM,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[Chunk]:
        """POST `body` and decode the reply as it arrives. Raises GatewayError or Cancelled; closing it hangs up."""
        own = {"Content-Type": "application/json", "Accept": accept if request.stream else "application/json"}
        timers = Timers(request.timeouts, self._first_token, request.seconds)
        sent = HttpRequest("POST", path, self._headers({**own, **(headers or {})}), body, timers, request.cancel)
        with self._response(sent, request.model) as response:
            if is_document(response):
                data = self._read_body(response, sent)
                if not data.lstrip().startswith((b"{", b"[")):
                    raise not_a_reply(self.error_context(), data, content_type(response))
                yield from decoder.decode_document(data)
            else:
                yield from self._decode_stream(response, decoder, sent)

    def get_json(self, path: str, *, timeouts: Timeouts = _JSON_TIMEOUTS) -> Any:
        """The JSON value at `path`. Raises GatewayError."""
        return self._json("GET", path, b"", timeouts, "")

    def post_json(self, path: str, value: Any, *, timeouts: Timeouts = _JSON_TIMEOUTS, model: str = "") -> Any:
        """The JSON value that posting the JSON value gives. Raises GatewayError."""
        return self._json("POST", path, json.dumps(value).encode(), timeouts, model)

    def close(self) -> None:
        """Close the connections that wait for another call."""
        while self._idle:
            self._idle.pop()[0].close()

    def __del__(self) -> None:
        self.close()

    def _forget_connections(self) -> None:
        """Close this process's copies of the sockets: each connection, idle or in use, stays the parent's alone."""
        self._idle = []
        for connection in list(self._open):
            with suppress(Exception):
                connection.close()
        self._open = WeakSet()

    def _headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        check_url(self.name, self.url)
        own = {"User-Agent": "agent-run", "Accept-Encoding": "identity"}
        return {**own, **headers} | self.credentials.headers_for(self.url)

    def _json(self, method: str, path: str, body: bytes, timeouts: Timeouts, model: str) -> Any:
        headers = {"Content-Type": "application/json"} if body else {}
        timers = Timers(timeouts, self._first_token, None)
        request = HttpRequest(method, path, self._headers(headers), body, timers, Cancel())
        with self._response(request, model) as response:
            data = self._read_body(response, request)
            try:
                return json.loads(data)
            except (ValueError, RecursionError):
                raise not_a_reply(self.error_context(), data, content_type(response)) from None

    def _decode_stream(self, response: HttpResponse, decoder: Decoder, request: HttpRequest) -> Iterator[Chunk]:
        beginning, events = b"", 0
        body = iter(decompressed(response))
        try:
            for data in body:
                request.cancel.check()
                beginning = beginning or data[:_SHOWN_BYTES]
                yield from decoder.feed(data)
                if decoder.ended:
                    break
                if decoder.events != events:
                    events = decoder.events
                    request.timers.restart(LINGER if decoder.complete else None)
        except _broken_connection(TimedOut) as error:
            request.cancel.check()
            if not decoder.complete:
                if decoder.events and not isinstance(error, TimedOut):
                    raise interrupted_reply(self.error_context(), error, decoder.events) from error
                raise
        request.cancel.check()
        if not decoder.ended:
            try:
                yield from decoder.end()
            except IncompleteReply:
                if decoder.events:
                    raise
            if not decoder.events:
                raise not_a_reply(self.error_context(), beginning, content_type(response))
            return
        request.timers.restart(_DRAIN_SECONDS)
        with suppress(*_broken_connection(TimedOut)):
            for _ in islice(body, 4):
                pass

    def _read_body(self, response: HttpResponse, request: HttpRequest) -> bytes:
        """The whole body. Raises ProtocolBroken where it is too large."""
        pieces, size = [], 0
        for data in decompressed(response):
            pieces.append(data)
            size += len(data)
            if size > _MAX_DOCUMENT:
                raise ProtocolBroken(f"{self.name} sent more than {_MAX_DOCUMENT // 1024 // 1024} MB at once")
        request.cancel.check()
        return b"".join(pieces)

    @contextmanager
    def _response(self, request: HttpRequest, model: str) -> Iterator[HttpResponse]:
        """Send a request and hand over its response if the status is good; raises GatewayError, Cancelled."""
        request.cancel.check()
        context = self.error_context(model)
        connection: HttpConnection | None = None
        try:
            connection, response = self._send(request)
            with request.cancel.on_cancel(connection.shutdown):
                self._check_status(response, context, request)
                yield response
            if response.reusable and not request.cancel.cancelled:
                self._keep_idle(connection)
                connection = None
        except GatewayError as error:
            raise self._with_where(error, context) from error.__cause__
        except _broken_connection() as error:
            request.cancel.check()
            raise self._with_where(connection_error(context, error), context) from error
        finally:
            if connection is not None:
                connection.close()

    def _send(self, request: HttpRequest) -> tuple[HttpConnection, HttpResponse]:
        """A connection and the response that began on it; an idle one that breaks before that is replaced once."""
        idle = self._idle_connection()
        if idle is not None:
            with suppress(OSError):
                return idle, _send_on(idle, request)
            request.cancel.check()
        connection = self._connect(request.timers)
        self._open.add(connection)
        return connection, _send_on(connection, request)

    def _keep_idle(self, connection: HttpConnection) -> None:
        """Keep it for another call, the newest on top; those that nobody wanted for long, or too many, are closed."""
        now = monotonic()
        self._idle.append((connection, now))
        while self._idle and (now - self._idle[0][1] > _IDLE_SECONDS or len(self._idle) > _MOST_IDLE):
            with suppress(IndexError):  # another thread may have taken it
                self._idle.pop(0)[0].close()

    def _idle_connection(self) -> HttpConnection | None:
        while self._idle:
            with suppress(IndexError):  # another thread may have taken the last one
                connection, _ = self._idle.pop()
                if not connection.stale:
                    return connection
                connection.close()
        return None

    def _connect(self, timers: Timers) -> HttpConnection:
        """A new connection. Raises OSError, TimedOut."""
        if proxy := proxy_for(self.url):
            from runner.gateways.http.httpx_connection import HttpxConnection  # lazy: for proxies alone

            return HttpxConnection(self.url, proxy, self._tls_context(), timers)
        from runner.gateways.http.socket_connection import SocketConnection  # lazy: it brings the email package

        return SocketConnection(self.url, self._tls_context(), min(timers.connect, timers.remaining()))

    def _tls_context(self) -> ssl.SSLContext | None:
        if self._tls is None and self.url.startswith("https:"):
            from runner.gateways.http.tls import tls_context  # lazy: for https alone

            self._tls = tls_context(self._ca_bundle)
        return self._tls

    def _check_status(self, response: HttpResponse, context: ErrorContext, request: HttpRequest) -> None:
        """Raise what a status that is not good stands for."""
        status = response.status
        if status >= 400:
            raise error_from_server(
                context, self._read_body(response, request), status=status, headers=response.headers
            )
        if status >= 300:
            location = response.headers.get("location", "nowhere")
            raise ProtocolBroken(
                f"{self.name} redirects to {location}",
                why=f"HTTP {status}: redirects are not followed, since the key must not go to another host",
                fix="set the gateway's url to the final address",
                status=status,
            )
        if status == 204:
            raise ProtocolBroken(
                f"{self.name} answered with nothing", why="HTTP 204", fix=context.check_url, status=204
            )

    def _with_where(self, error: GatewayError, context: ErrorContext) -> GatewayError:
        """The error with its address, and without secrets."""
        what, why, fix = map(self.credentials.redact, (error.what, error.why, error.fix))
        return error.replace(where=error.where or context.where, what=what, why=why, fix=fix)


def _send_on(connection: HttpConnection, request: HttpRequest) -> HttpResponse:
    try:
        with request.cancel.on_cancel(connection.shutdown):
            return connection.send(request)
    except BaseException:
        connection.close()
        raise


def _broken_connection(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """What a broken connection raises."""
    from http.client import HTTPException  # lazy: it brings the email package

    return (OSError, HTTPException, *others)
