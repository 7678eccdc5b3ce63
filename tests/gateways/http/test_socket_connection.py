"""Connections by sockets: nothing is left open by a reply that broke."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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
