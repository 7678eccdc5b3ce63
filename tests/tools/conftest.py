"""Equipment that tests of tools share: web servers, one of them an MCP server that can be told to go wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

Server = TypeVar("Server", bound=ThreadingHTTPServer)
Reply = Callable[["Speaker", dict[str, Any]], None]


class Speaker(BaseHTTPRequestHandler):
    """Speaks just enough of the protocol; `server.replies` maps a method to what happens instead."""

    protocol_version = "HTTP/1.1"
    server: McpSite

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.heard.append((message.get("method", ""), dict(self.headers)))
        session = self.headers.get("Mcp-Session-Id", "")
        if session and session not in self.server.sessions:
            self.refuse(404)
        elif message.get("method") in self.server.replies:
            self.server.replies[message["method"]](self, message)
        else:
            self.usual(message)

    def usual(self, message: dict[str, Any]) -> None:
        match message.get("method"):
            case "initialize":
                self.server.sessions.add(session := f"s{len(self.server.heard)}")
                result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": INFO}
                self.answer(message, result, session)
            case "tools/list":
                self.answer(message, {"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]})
            case "tools/call":
                self.answer(message, {"content": [{"type": "text", "text": "heard"}]})
            case "ping":
                self.answer(message, {})
            case _:
                self.refuse(202)

    def do_GET(self) -> None:
        self.refuse(405)

    def do_DELETE(self) -> None:
        self.server.sessions.discard(self.headers.get("Mcp-Session-Id", ""))
        self.refuse(200)

    def answer(self, message: dict[str, Any], result: dict[str, Any], session: str = "") -> None:
        self.send({"jsonrpc": "2.0", "id": message["id"], "result": result}, session)

    def send(self, value: Any, session: str = "", kind: str = "application/json") -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if session:
            self.send_header("Mcp-Session-Id", session)
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content_Length": "0"} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


INFO = {"name": "fault", "version": "1"}


class McpSite(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Speaker)
        self.heard: list[tuple[str, dict[str, str]]] = []
        self.sessions: set[str] = set()
        self.replies: dict[str, Reply] = {}

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/mcp"

    def count(self, method: str) -> int:
        return [each for each, _ in self.heard].count(method)


class Serve(Protocol):
    """Has a server answer until the test is over."""

    def __call__(self, server: Server) -> Server: ...


@pytest.fixture
def serve() -> Iterator[Serve]:
    running: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start(server: Server) -> Server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        running.append((server, thread))
        thread.start()
        return server

    yield start
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def site(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> McpSite:
    monkeypatch.setenv("AGENT_RUN_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    return serve(McpSite())
