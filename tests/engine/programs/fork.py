"""A web server's workers, say: forked from a process whose session has spoken already, all asking at the same time."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from runner import Broker, ChatSession
from runner.gateways import OpenAI

CHILDREN, QUESTIONS = 3, 20


class Echo(BaseHTTPRequestHandler):
    """Answers with the question, on connections that are kept."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"][-1]["content"]
        time.sleep(0.002)
        delta = {"choices": [{"delta": {"content": question}, "finish_reason": "stop"}]}
        body = f"data: {json.dumps(delta)}\n\ndata: [DONE]\n\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nobody reads it."""


def ask_all(session: ChatSession) -> int:
    """How many answers were another's."""
    questions = [f"{os.getpid()}-{number}" for number in range(QUESTIONS)]
    return sum(session.send_message(question) != question for question in questions)


def main() -> int:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    broker = Broker("echo", OpenAI(url=f"http://127.0.0.1:{server.server_address[1]}/v1", key="k"))
    session = ChatSession(broker)
    stream, _ = ChatSession(broker).send_stream("a stream that stays open")
    next(stream)
    session.send_message("warm")
    children = []
    for _ in range(CHILDREN):
        child = os.fork()
        if not child:
            os._exit(min(ask_all(session), 100))
        children.append(child)
    wrong = ask_all(session)
    wrong += sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0 for child in children)
    print(f"{wrong} wrong")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
