"""The one door to the network: posts a body, runs the timers, and turns what goes wrong into our errors.

Plain connections run on the standard library (see http1), which starts and streams faster; proxied ones on httpx.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from socket import SHUT_RDWR
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from runner.core.cancel import Cancel
from runner.core.chunks import Chunk
from runner.core.errors import GatewayError, IncompleteReply, ProtocolBroken, TimedOut
from runner.core.policy import Timeouts
from runner.gateways import Request
from runner.gateways.http.credentials import Key, check_url, proxy_to
from runner.gateways.http.errors import Scene, broke_off, failure, not_a_reply, unreachable
from runner.gateways.http.request import (
    EVENTS,
    Answer,
    Call,
    Connection,
    Decoder,
    ProxyFailed,
    Timers,
    content_type,
    is_whole,
    target,
    unpacked,
)

if TYPE_CHECKING:
    import ssl

    import httpx

LINGER = 5.0
_DRAIN = 0.05
_HEAD = 200
_WHOLE = 64 * 1024 * 1024
_QUICK = Timeouts(connect=10, first_token=10, gap=10)


class Wire:
    """The way to one server. Making one does no I/O; threads may share it, each call has a connection of its own.

    `first_token`: seconds to the first event where the agent file says nothing. `fixes`: the server's own remedies,
    by the name of the error class; {model} stands for the model.
    """

    def __init__(
        self,
        name: str,
        url: str,
        key: Key,
        *,
        first_token: float = 120.0,
        fixes: Mapping[str, str] | None = None,
        ca_bundle: str = "",
    ) -> None:
        self.name = name
        self.url = url.rstrip("/")
        self.key = key
        self._first_token = first_token
        self._fixes = dict(fixes or {})
        self._ca_bundle = ca_bundle
        self._tls: ssl.SSLContext | None = None
        self._idle: list[Connection] = []

    @property
    def where(self) -> str:
        """The address, without user name and password."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    def scene(self, model: str = "") -> Scene:
        """Who is asked for what, for the words of errors."""
        return Scene(self.name, self.where, model, {"KeyRefused": self.key.remedy, **self._fixes})

    def chunks(
        self,
        path: str,
        body: bytes,
        request: Request,
        decoder: Decoder,
        *,
        accept: str = EVENTS,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[Chunk]:
        """POST `body` and decode the answer as it arrives. Raises GatewayError or Cancelled; closing it hangs up."""
        sent = {"Content-Type": "application/json", "Accept": accept if request.stream else "application/json"}
        sent |= headers or {}
        timers = Timers(request.timeouts, self._first_token, request.seconds)
        call = Call("POST", path, self._headers(sent), body, timers, request.cancel)
        with self._exchange(call, request.model) as answer:
            if is_whole(answer):
                data = self._read(answer, call)
                if not data.lstrip().startswith((b"{", b"[")):
                    raise not_a_reply(self.scene(), data, content_type(answer))
                yield from decoder.whole(data)
            else:
                yield from self._decoded(answer, decoder, call)

    def get(self, path: str, *, timeouts: Timeouts = _QUICK) -> Any:
        """The JSON value at `path`. Raises GatewayError."""
        return self._json("GET", path, b"", timeouts, "")

    def post(self, path: str, value: Any, *, timeouts: Timeouts = _QUICK, model: str = "") -> Any:
        """The JSON value that posting the JSON value gives. Raises GatewayError."""
        return self._json("POST", path, json.dumps(value).encode(), timeouts, model)

    def close(self) -> None:
        """Close the connections that wait for another call."""
        while self._idle:
            self._idle.pop().close()

    def __del__(self) -> None:
        self.close()

    def _headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        check_url(self.name, self.url)
        return {"User-Agent": "agent-run", "Accept-Encoding": "identity", **headers} | self.key.headers(self.url)

    def _json(self, method: str, path: str, body: bytes, timeouts: Timeouts, model: str) -> Any:
        headers = {"Content-Type": "application/json"} if body else {}
        timers = Timers(timeouts, self._first_token, None)
        call = Call(method, path, self._headers(headers), body, timers, Cancel())
        with self._exchange(call, model) as answer:
            data = self._read(answer, call)
            try:
                return json.loads(data)
            except (ValueError, RecursionError):
                raise not_a_reply(self.scene(), data, content_type(answer)) from None

    def _decoded(self, answer: Answer, decoder: Decoder, call: Call) -> Iterator[Chunk]:
        head, seen = b"", 0
        arriving = iter(unpacked(answer))
        try:
            for data in arriving:
                call.cancel.check()
                head = head or data[:_HEAD]
                yield from decoder.feed(data)
                if decoder.ended:
                    break
                if decoder.events != seen:
                    seen = decoder.events
                    call.timers.event(LINGER if decoder.complete else None)
        except _breaks(TimedOut) as error:
            call.cancel.check()
            if not decoder.complete:
                if decoder.events and not isinstance(error, TimedOut):
                    raise broke_off(self.scene(), error, decoder.events) from error
                raise
        call.cancel.check()
        if not decoder.ended:
            try:
                yield from decoder.end()
            except IncompleteReply:
                if decoder.events:
                    raise
            if not decoder.events:
                raise not_a_reply(self.scene(), head, content_type(answer))
            return
        call.timers.event(_DRAIN)
        with suppress(*_breaks(TimedOut)):
            for _ in islice(arriving, 4):
                pass

    def _read(self, answer: Answer, call: Call) -> bytes:
        """The whole body. Raises ProtocolBroken where it is too large."""
        pieces, size = [], 0
        for data in unpacked(answer):
            pieces.append(data)
            size += len(data)
            if size > _WHOLE:
                raise ProtocolBroken(f"{self.name} sent more than {_WHOLE // 1024 // 1024} MB at once")
        call.cancel.check()
        return b"".join(pieces)

    @contextmanager
    def _exchange(self, call: Call, model: str) -> Iterator[Answer]:
        """Send a request and hand over its answer if the status is good; raises GatewayError, Cancelled."""
        call.cancel.check()
        scene = self.scene(model)
        connection: Connection | None = None
        try:
            connection, answer = self._ask(call)
            with call.cancel.on_cancel(connection.shut):
                self._refuse(answer, scene, call)
                yield answer
            if answer.reusable and not call.cancel.cancelled:
                self._idle.append(connection)
                connection = None
        except GatewayError as error:
            raise self._dressed(error, scene) from error.__cause__
        except _breaks() as error:
            call.cancel.check()
            raise self._dressed(unreachable(error, scene), scene) from error
        finally:
            if connection is not None:
                connection.close()

    def _ask(self, call: Call) -> tuple[Connection, Answer]:
        """A connection and the answer that began on it; an idle one that breaks before answering is replaced once."""
        idle = self._idle_connection()
        if idle is not None:
            with suppress(OSError):
                return idle, _send(idle, call)
            call.cancel.check()
        fresh = self._connect(call.timers)
        return fresh, _send(fresh, call)

    def _idle_connection(self) -> Connection | None:
        while self._idle:
            with suppress(IndexError):  # another thread may have taken the last one
                connection = self._idle.pop()
                if not connection.stale:
                    return connection
                connection.close()
        return None

    def _connect(self, timers: Timers) -> Connection:
        """A new connection. Raises OSError, TimedOut."""
        from runner.gateways.http.connection import Direct, trust  # lazy: it brings http.client and the email package

        if self._tls is None and self.url.startswith("https:"):
            self._tls = trust(self._ca_bundle)
        if proxy := proxy_to(self.url):
            return _Proxied(self.url, proxy, self._tls, timers)
        return Direct(self.url, self._tls, min(timers.connect, timers.remaining()))

    def _refuse(self, answer: Answer, scene: Scene, call: Call) -> None:
        """Raise what a status that is not good stands for."""
        status = answer.status
        if status >= 400:
            raise failure(scene, self._read(answer, call), status=status, headers=answer.headers)
        if status >= 300:
            target = answer.headers.get("location", "nowhere")
            raise ProtocolBroken(
                f"{self.name} redirects to {target}",
                why=f"HTTP {status}: redirects are not followed, since the key must not go to another host",
                fix="set the gateway's url to the final address",
                status=status,
            )
        if status == 204:
            raise ProtocolBroken(f"{self.name} answered with nothing", why="HTTP 204", fix=scene.check_url, status=204)

    def _dressed(self, error: GatewayError, scene: Scene) -> GatewayError:
        """The error with its place, and without secrets."""
        what, why, fix = map(self.key.redact, (error.what, error.why, error.fix))
        return error.replace(what=what, where=error.where or scene.where, why=why, fix=fix)


class _Proxied:
    """A connection through a proxy, by httpx; timers are looked at between its reads."""

    stale = False

    def __init__(self, url: str, proxy: str, tls: ssl.SSLContext | None, timers: Timers) -> None:
        import httpx  # lazy: for proxies alone

        self._url = url
        self._proxy = urlsplit(proxy).netloc.rpartition("@")[2]
        self._answer: httpx.Response | None = None
        self._httpx = httpx
        timeout = httpx.Timeout(timers.remaining(), connect=timers.connect)
        try:
            self._client = httpx.Client(proxy=proxy, trust_env=False, verify=tls or False, timeout=timeout)
        except (ImportError, ValueError) as error:  # a kind of proxy that httpx cannot speak to
            raise ProxyFailed(f"{self._proxy}: {error}") from error

    def send(self, call: Call) -> Answer:
        with self.told(call.timers):
            asked = self._client.build_request(
                call.method, urljoin(self._url, target(self._url, call.path)), headers=call.headers, content=call.body
            )
            self._answer = self._client.send(asked, stream=True)
        return _ProxiedAnswer(self, self._answer, call.timers)

    @contextmanager
    def told(self, timers: Timers) -> Iterator[None]:
        """Errors of httpx as those of a socket, or as the timer that rang."""
        try:
            yield
        except self._httpx.TransportError as error:
            if isinstance(error, self._httpx.ReadTimeout):
                timers.ring()
            if isinstance(error, self._httpx.TimeoutException):
                raise TimeoutError(str(error)) from error
            said = str(error) or type(error).__name__
            if isinstance(error, self._httpx.ConnectError | self._httpx.ProxyError) and "SSL" not in said:
                raise ProxyFailed(f"{self._proxy}: {said}") from error
            raise ConnectionError(said) from error

    def shut(self) -> None:
        if self._answer is not None:
            stream = self._answer.extensions["network_stream"]
            stream.get_extra_info("socket").shutdown(SHUT_RDWR)

    def close(self) -> None:
        self._client.close()


class _ProxiedAnswer:
    """The answer that came through a proxy; its connection is not used again."""

    reusable = False

    def __init__(self, connection: _Proxied, answer: httpx.Response, timers: Timers) -> None:
        self.status = answer.status_code
        self.headers = {name.lower(): value for name, value in answer.headers.items()}
        self._connection = connection
        self._raw = answer.iter_raw()
        self._timers = timers

    def __iter__(self) -> Iterator[bytes]:
        while True:
            began = time.monotonic()
            with self._connection.told(self._timers):
                data = next(self._raw, b"")
            self._timers.waited(time.monotonic() - began)
            if not data:
                return
            yield data
            self._timers.remaining()


def _send(connection: Connection, call: Call) -> Answer:
    try:
        with call.cancel.on_cancel(connection.shut):
            return connection.send(call)
    except BaseException:
        connection.close()
        raise


def _breaks(*others: type[Exception]) -> tuple[type[Exception], ...]:
    """What a broken connection raises."""
    from http.client import HTTPException  # lazy: it brings the email package

    return (OSError, HTTPException, *others)
