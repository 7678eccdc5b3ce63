"""HTTP's own framing: chunks however they are split, and where a request goes."""

from __future__ import annotations

import subprocess
import sys
from http.client import HTTPException
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.gateways.http.connection import Chunks
from runner.gateways.http.request import target
from thoroughness import examples

FRAMED = b"5\r\nhello\r\n1;name=value\r\n \r\nA\r\n0123456789\r\n2\r\n\r\n\r\n0\r\nTrailer: x\r\n\r\n"
BODY = b"hello 0123456789\r\n"


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.integers(0, len(FRAMED)), max_size=10))
def test_any_split_gives_the_same_body(places: list[int]):
    chunks = Chunks()
    edges = [0, *sorted(places), len(FRAMED)]
    assert b"".join(chunks.feed(FRAMED[start:end]) for start, end in pairwise(edges)) == BODY
    assert chunks.ended


def test_the_end_is_seen_at_the_last_byte_and_not_before():
    for place in range(len(FRAMED)):
        chunks = Chunks()
        assert BODY.startswith(chunks.feed(FRAMED[:place]))
        assert not chunks.ended


def test_what_has_come_of_a_large_chunk_is_given_at_once():
    assert Chunks().feed(b"FFFF\r\nabc") == b"abc"


@pytest.mark.parametrize("line", [b"hello\r\n", b"-5\r\n", b"0x5\r\n", b"1_0\r\n", b"f" * 16 + b"\r\n", b"5" * 70_000])
def test_what_is_no_chunk_is_refused(line: bytes):
    with pytest.raises(HTTPException):
        Chunks().feed(line)


@pytest.mark.parametrize(
    ("url", "path", "expected"),
    [
        ("http://a", "/chat", "/chat"),
        ("http://a/v1/", "/chat", "/v1/chat"),
        ("http://a/v1", "/chat?alt=sse", "/v1/chat?alt=sse"),
        ("http://a/v1?api-version=1", "/chat", "/v1/chat?api-version=1"),
        ("http://a/v1?api-version=1", "/chat?alt=sse", "/v1/chat?api-version=1&alt=sse"),
    ],
)
def test_where_a_request_goes(url: str, path: str, expected: str):
    assert target(url, path) == expected


BROKEN = """
import gc, socket, threading
from runner import Broker, ChatSession
from runner.core.errors import GatewayError
from runner.gateways import OpenAI

HEAD = b"HTTP/1.1 200 OK\\r\\nContent-Type: text/event-stream\\r\\n"
EVENT = b'data: {"choices": [{"delta": {"content": "Hi"}}]}\\n\\n'
LENGTH, CHUNKED = HEAD + b"Content-Length: 999\\r\\n\\r\\n", HEAD + b"Transfer-Encoding: chunked\\r\\n\\r\\n99\\r\\n"

def answering(reply):
    listening = socket.create_server(("127.0.0.1", 0))
    def answer():
        connection, _ = listening.accept()
        connection.recv(65536)
        connection.sendall(reply)
        connection.close()
        listening.close()
    threading.Thread(target=answer, daemon=True).start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}/v1"

for reply in (b"", b"no HTTP\\r\\n\\r\\n", LENGTH + EVENT, CHUNKED + EVENT, HEAD + b"\\r\\n" + EVENT):
    session = ChatSession(Broker("m", OpenAI(url=answering(reply), key="k"), retry={"attempts": 1}))
    try:
        session.send_message("hi")
    except GatewayError as error:
        print(type(error).__name__)
    del session
    gc.collect()
"""


def test_nothing_is_left_to_close_after_a_broken_reply():
    """The development mode tells what Python 3.13 tells always: what fails while the collector closes it."""
    ran = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-c", BROKEN],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        timeout=60,
    )
    assert (ran.returncode, ran.stderr, len(ran.stdout.splitlines())) == (0, "", 5)
