"""`agent-run pull`, as a user runs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

BODY = b"GGUF" + bytes(400_000)
NAME = "hf:owner/repo/tiny.gguf"


class _Answers(BaseHTTPRequestHandler):
    """One file; `slow.gguf` stops half-way for as long as anybody listens."""

    def do_GET(self) -> None:
        if not self.path.endswith(".gguf") or "missing" in self.path:
            self.send_error(404, "Entry not found")
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        if "slow" in self.path:
            self.wfile.write(BODY[:200_000])
            self.wfile.flush()
            time.sleep(30)
            return
        self.wfile.write(BODY)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def environment(tmp_path) -> Iterator[dict[str, str]]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        hub = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "AGENT_RUN_CACHE_HOME": str(tmp_path)}
        yield os.environ | hub
        server.shutdown()


def pull(name: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "runner", "pull", name]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_path_is_the_answer_and_nothing_else_is_on_stdout(environment, tmp_path):
    path = tmp_path / "models/owner/repo/tiny.gguf"
    done = pull(NAME, environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{path}\n", "")
    assert path.read_bytes() == BODY


def test_weights_in_the_wheel_need_no_hub(environment, embedded_weights):
    done = pull("smollm2-135m", environment | {"HF_ENDPOINT": "http://127.0.0.1:1"})
    assert (done.returncode, done.stdout) == (0, f"{embedded_weights}\n")


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("gpt-17", 2, "no embedded model 'gpt-17'"),
        ("./own.gguf", 2, "is a path"),
        ("hf:owner/repo/missing.gguf", 4, "check OWNER/REPO/FILE"),
    ],
)
def test_errors_are_in_the_contract_s_form(environment, name, code, words):
    done = pull(name, environment)
    assert done.returncode == code
    assert done.stderr.startswith("agent-run: ")
    assert words in done.stderr
    assert "fix:" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_an_interrupt_keeps_what_arrived(environment, tmp_path):
    part = tmp_path / "models/owner/repo/slow.gguf.part"
    command = [sys.executable, "-m", "runner", "pull", "hf:owner/repo/slow.gguf"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as child:
        deadline = time.monotonic() + 30
        while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        _, told = child.communicate(timeout=30)
    assert child.returncode == 130
    assert told.strip() == "Stopped. What has arrived is kept: run it again to go on."
    assert 0 < part.stat().st_size < len(BODY)
