"""A server that does what a test tells it, byte by byte: pauses, resets, one byte a write, TLS."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import trustme


@dataclass(frozen=True)
class Sleep:
    """Pause, until the test is over at most."""

    seconds: float


@dataclass(frozen=True)
class ReceivedRequest:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class FaultServer:
    """Answers each request with the next script, a list of steps; the last one is kept for all that follow.

    A step is bytes to send, `sleep(s)`, `RST`, `FIN`, or `HANG`: wait until the client hangs up, which sets `left`.
    """

    tls: ssl.SSLContext | None = None
    one_byte: bool = False
    scripts: list[list[Any]] = field(default_factory=list)
    asked: list[ReceivedRequest] = field(default_factory=list)
    connections: int = 0
    left: threading.Event = field(default_factory=threading.Event)
    RST = "reset"
    FIN = "close"
    HANG = "hang"

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"{'https' if self.tls else 'http'}://{self.host}"
        self._start(self._accept)

    # What a test says.

    def answers(self, *steps: Any) -> None:
        """The next request gets these steps."""
        self.scripts.append(list(steps))

    @staticmethod
    def sleep(seconds: float) -> Sleep:
        return Sleep(seconds)

    @staticmethod
    def head(status: int = 200, content_type: str = "text/event-stream", **headers: str) -> bytes:
        """The head of an answer whose body ends with the connection."""
        lines = [f"HTTP/1.1 {status} X", f"Content-Type: {content_type}"] if content_type else [f"HTTP/1.1 {status} X"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    @classmethod
    def whole(cls, body: Any, status: int = 200, content_type: str = "application/json", **headers: str) -> bytes:
        """A whole answer with its length; what is not bytes is sent as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return cls.head(status, content_type, Content_Length=str(len(data)), **headers) + data

    @classmethod
    def chunked(cls, data: bytes, content_type: str = "text/event-stream", size: int = 0) -> bytes:
        """A whole answer in HTTP chunks of `size` bytes, or in one."""
        parts = [data[start : start + size] for start in range(0, len(data), size)] if size else [data]
        framed = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts if part)
        return cls.head(content_type=content_type, Transfer_Encoding="chunked") + framed + b"0\r\n\r\n"

    @staticmethod
    def sse(*payloads: Any) -> bytes:
        """Server-sent events: bytes as they stand, anything else as JSON."""
        texts = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in payloads]
        return b"".join(b"data: " + text + b"\n\n" for text in texts)

    @staticmethod
    def lines(*values: Any) -> bytes:
        """JSON lines."""
        return b"".join(json.dumps(value).encode() + b"\n" for value in values)

    def close(self) -> None:
        self._over.set()
        for each in (self._listener, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    # What the server does.

    def _start(self, run: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=run, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection:
                while (request := self._read(connection)) is not None:
                    self.asked.append(request)
                    script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
                    if not all(self._do(step, connection) for step in script):
                        return
                    # An answer without a length ends with its connection.
                    sent = b"".join(step for step in script if isinstance(step, bytes)).lower()
                    if b"content-length" not in sent and b"transfer-encoding" not in sent:
                        return
        except OSError:
            connection.close()

    def _do(self, step: Any, connection: socket.socket) -> bool:
        """Do a step; False ends the connection."""
        if isinstance(step, bytes):
            for part in [bytes([byte]) for byte in step] if self.one_byte else [step]:
                connection.sendall(part)
        elif isinstance(step, Sleep):
            return not self._over.wait(step.seconds)
        elif step == self.HANG:
            while self._receive(connection):
                pass
            if not self._over.is_set():
                self.left.set()
            return False
        else:
            if step == self.RST:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        return True

    @staticmethod
    def _receive(connection: socket.socket) -> bytes:
        """Some bytes; none when the client has left or the test is over."""
        try:
            return connection.recv(65_536)
        except OSError:
            return b""

    def _read(self, connection: socket.socket) -> ReceivedRequest | None:
        data = b""
        while b"\r\n\r\n" not in data:
            more = self._receive(connection)
            if not more:
                return None
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        while len(body) < int(headers.get("content-length", 0)):
            more = self._receive(connection)
            if not more:
                return None
            body += more
        method, path, _ = first.split(" ")
        return ReceivedRequest(method, path, headers, body)


@pytest.fixture
def fault_servers() -> Iterator[Callable[..., FaultServer]]:
    """Makes fault servers; all are closed at the end of the test."""
    made: list[FaultServer] = []

    def make(**given: Any) -> FaultServer:
        made.append(FaultServer(**given))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def fault_server(fault_servers: Callable[..., FaultServer]) -> FaultServer:
    """One fault server."""
    return fault_servers()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority of our own."""
    return trustme.CA()


@pytest.fixture(scope="session")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """A server's side of TLS, for 127.0.0.1 and localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, address or proxy of the machine's user reaches a test."""
    from runner.gateways import CATALOGUE

    for preset in CATALOGUE.values():
        for variable in filter(None, (preset.key_from, preset.url_from)):
            monkeypatch.delenv(variable, raising=False)
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.lower(), raising=False)
