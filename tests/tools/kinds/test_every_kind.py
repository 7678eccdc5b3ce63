"""One conversation with tools of every kind, from files alone: the scripted model calls them, and they are real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runner import ChatSession, load_agent

if TYPE_CHECKING:
    from tests.tools.conftest import Serve

FAULTS = Path(__file__).parent.parent.parent / "equipment" / "mcp_fault_server.py"


class Echo(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"path": self.path}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def url(serve: Serve) -> str:
    return f"http://127.0.0.1:{serve(ThreadingHTTPServer(('127.0.0.1', 0), Echo)).server_port}"


CALLS: dict[str, dict[str, Any]] = {
    "resolve_date": {"date": "2025-07-04"},
    "double": {"number": 21},
    "say": {"text": "hello"},
    "files_read": {"path": "note.txt"},
    "fetch": {"word": "a/b"},
    "getThing": {"id": "7"},
    "it__echo": {"text": "over the pipe"},
    "inner": {"message": "and you?"},
}


@pytest.fixture
def agent(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AGENT_RUN_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("AGENT_RUN_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "agent"
    (folder / "notes").mkdir(parents=True)
    (folder / "notes" / "note.txt").write_text("a note\n")
    (folder / "own.py").write_text('def double(number: int) -> int:\n    """Doubles it."""\n    return number * 2\n')
    operation = {"operationId": "getThing", "parameters": [{"name": "id", "in": "path", "schema": {"type": "string"}}]}
    document = {"openapi": "3.1.0", "servers": [{"url": url}], "paths": {"/things/{id}": {"get": operation}}}
    (folder / "things.json").write_text(json.dumps(document))
    inner = {"gateway": "scripted", "model": "m", "script": [{"text": "I am inside"}]}
    (folder / "inner.yaml").write_text(json.dumps(inner))
    word = {"word": {"type": "string"}}
    say = [sys.executable, "-c", "import sys; print(sys.argv[1])", "{text}"]
    outer = {
        "gateway": "scripted",
        "model": "m",
        "tools": [
            "resolve_date",
            {"python": "./own.py:double"},
            {
                "command": {
                    "name": "say",
                    "description": "Says.",
                    "run": say,
                    "parameters": {"text": {"type": "string"}},
                }
            },
            {"files": {"root": "notes"}},
            {"http": {"name": "fetch", "description": "Fetches.", "url": url + "/{word}", "parameters": word}},
            {"openapi": {"spec": "things.json"}},
            {"mcp": {"name": "it", "command": [sys.executable, "-S", str(FAULTS), "ok"], "tools": ["echo"]}},
            {"agent": "./inner.yaml"},
        ],
        "script": [{"calls": [{name: arguments} for name, arguments in CALLS.items()]}, {"text": "all done"}],
    }
    (folder / "outer.yaml").write_text(json.dumps(outer))
    return folder / "outer.yaml"


def test_every_kind_of_tool_answers_in_one_turn(agent: Path, url: str) -> None:
    with ChatSession.from_agent(load_agent(agent), trust=True, allow=["*"]) as session:
        assert session.send_message("go") == "all done"
        results = [result for message in session.messages for result in message.results]
    found = {result.name: result.output for result in results}
    assert [result.name for result in results if result.failed] == [], found
    assert found["resolve_date"]["date"] == "2025-07-04"
    assert found["double"] == 42
    assert "hello" in str(found["say"])
    assert "a note" in str(found["files_read"])
    assert found["fetch"] == {"path": "/a%2Fb"}
    assert found["getThing"] == {"path": "/things/7"}
    assert found["it__echo"] == "over the pipe"
    assert found["inner"] == "I am inside"


def test_what_nobody_allowed_does_not_run(agent: Path) -> None:
    with ChatSession.from_agent(load_agent(agent), trust=True) as session:
        session.send_message("go")
        results = [result for message in session.messages for result in message.results]
    refused = {result.name for result in results if result.failed}
    assert {"say", "it__echo"} <= refused
    assert {"resolve_date", "fetch", "getThing", "inner"}.isdisjoint(refused)


def test_a_session_opens_without_waiting_for_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_RUN_STATE_HOME", str(tmp_path / "state"))
    server = {"mcp": {"name": "it", "command": [sys.executable, "-S", str(FAULTS), "hang"], "timeout": 60}}
    agent = {"gateway": "scripted", "model": "m", "tools": [server], "script": [{"text": "x"}]}
    (tmp_path / "slow.yaml").write_text(json.dumps(agent))
    started = time.monotonic()
    with ChatSession.from_agent(load_agent(tmp_path / "slow.yaml"), trust=True):
        opened = time.monotonic() - started
    assert opened < 20


def test_the_sdk_is_imported_only_for_an_agent_that_names_a_server(agent: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from runner import ChatSession, load_agent\n"
        "with ChatSession.from_agent(load_agent(sys.argv[1]), trust=True) as session:\n"
        "    session.send_message('go')\n"
        "    print(*sorted({'mcp', 'mcp_types', 'anyio', 'asyncio', 'runner.tools.mcp'} & set(sys.modules)))\n"
    )
    (tmp_path / "agent" / "bare.yaml").write_text(
        json.dumps({**json.loads(agent.read_text()), "tools": ["tasks", {"files": {"root": "notes"}}]})
    )
    found = {}
    for name in ("bare.yaml", "outer.yaml"):
        argv = [sys.executable, "-P", "-c", code, str(agent.parent / name)]
        environment = {**os.environ, "PYTHONPATH": str(FAULTS.parent.parent.parent)}
        found[name] = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60).stdout.split()
    assert found["bare.yaml"] == []
    assert "mcp" in found["outer.yaml"]
