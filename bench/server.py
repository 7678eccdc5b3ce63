"""A bare loopback server in a process of its own, which answers every request with the same streamed reply."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import PIPE, Popen

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
NOTHING = b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def events(pieces: int) -> list[bytes]:
    """A chat-completions stream with that many pieces of text."""

    def line(delta: dict[str, str], finish: str | None = None) -> bytes:
        value = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }
        return b"data: " + json.dumps(value).encode() + b"\n\n"

    return [*(line({"content": f"word{n % 10} "}) for n in range(pieces)), line({}, "stop"), b"data: [DONE]\n\n"]


def serve(pieces: int) -> None:
    body = b"".join(b"%x\r\n%s\r\n" % (len(event), event) for event in events(pieces)) + b"0\r\n\r\n"
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_answer, args=(connection, body), daemon=True).start()


def _answer(connection: socket.socket, body: bytes) -> None:
    with connection:
        while method := _read_request(connection):
            connection.sendall(HEAD + body if method == b"POST" else NOTHING)


def _read_request(connection: socket.socket) -> bytes:
    """The request's method, empty when the client has hung up."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    length = next((int(line[15:]) for line in lines if line.lower().startswith(b"content-length:")), 0)
    while len(rest) < length:
        rest += connection.recv(65536)
    return head.split(b" ", 1)[0]


@contextmanager
def running(pieces: int) -> Iterator[str]:
    """The server's address while the block is open."""
    with Popen([sys.executable, "-m", "bench.server", str(pieces)], stdout=PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            yield f"http://127.0.0.1:{int(child.stdout.readline())}"
        finally:
            child.kill()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
