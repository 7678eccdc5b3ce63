"""A bare loopback server in a process of its own, which answers every request with the same streamed reply."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import PIPE, Popen

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


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
        with connection:
            while _read_request(connection):
                connection.sendall(HEAD + body)


def _read_request(connection: socket.socket) -> bool:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return False
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while len(rest) < length:
        rest += connection.recv(65536)
    return True


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
