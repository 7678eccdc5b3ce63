"""Connections by sockets: nothing is left open by a reply that broke."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from runner import Broker, ChatSession
from runner.core.errors import TimedOut
from runner.gateways import OpenAI
from runner.gateways.http.socket_connection import SocketConnection

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


def test_a_resolver_that_hangs_is_given_up_within_the_time_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **keywords: time.sleep(20))
    broker = Broker(
        "m",
        OpenAI(url="https://model.example/v1", key="k"),
        timeouts={"connect": 0.2},
        retry={"attempts": 1},
    )
    started = time.monotonic()
    with pytest.raises(TimedOut, match="did not accept the connection in time"):
        ChatSession(broker).send_message("hi")
    assert time.monotonic() - started < 10


def test_all_addresses_of_a_host_share_the_time_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full backlog neither takes a connection nor refuses it."""
    with socket.socket() as full, socket.create_server(("127.0.0.1", 0)) as taking:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))] * 4
        monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **keywords: addresses)
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            SocketConnection("http://model.example", None, 0.4)
        assert time.monotonic() - started < 5
        addresses.append((*addresses[0][:4], taking.getsockname()))
        SocketConnection("http://model.example", None, 0.5).close()
        for each in waiting:
            each.close()


def test_connections_that_wait_for_another_call_are_few_after_a_burst(fault_server) -> None:
    gateway = OpenAI(url=fault_server.url, key="k")
    barrier = threading.Barrier(20)
    fault_server.answers(fault_server.whole({"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}))

    def ask() -> None:
        barrier.wait()
        ChatSession(Broker("m", gateway)).send_message("hi")

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(gateway.transport._idle) <= 8
    gateway.close()
