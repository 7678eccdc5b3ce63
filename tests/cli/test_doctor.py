"""`agent-run doctor`: what it finds, what it never shows, and its exit codes."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from runner.cli import run

FAULTS = Path(__file__).parent.parent / "equipment" / "mcp_fault_server.py"
SCRIPTED = "gateway: scripted\nmodel: m\nscript: [{text: hi}]\n"
SERVED = {
    "/api/tags": {"models": [{"name": "there"}]},
    "/api/show": {"capabilities": ["completion"], "model_info": {"llama.context_length": 4096}},
    "/v1/models": {"data": [{"id": "there"}, {"id": "other"}]},
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for kind in ("CONFIG", "STATE", "CACHE"):
        monkeypatch.setenv(f"AGENT_RUN_{kind}_HOME", str(tmp_path / "user" / kind))
    monkeypatch.setenv("OLLAMA_HOST", "http://127.0.0.1:9")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789")
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def server() -> Iterator[str]:
    """Ollama and an OpenAI-compatible server at one loopback address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(SERVED.get(self.path, {})).encode()
            if length := int(self.headers.get("Content-Length", 0)):
                self.rfile.read(length)
            self.send_response(200 if self.path in SERVED else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, format: str, *arguments: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        threading.Thread(target=serving.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_address[1]}"
        serving.shutdown()


def findings(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[tuple[str, str], Any]:
    assert run(["doctor", "--format", "json", *arguments]) == code
    return {(each["topic"], each["name"]): each for each in json.loads(capsys.readouterr().out)}


def test_the_machine(capsys: pytest.CaptureFixture[str]):
    found = findings(capsys)
    assert {topic for topic, _ in found} == {"program", "extras", "terminal", "config", "keys", "gateways", "trust"}
    assert {name for topic, name in found if topic == "extras"} == {"local", "mcp"}
    assert found["keys", "OPENAI_API_KEY"]["state"] == "ok"
    assert found["keys", "GROQ_API_KEY"]["state"] == "missing"
    assert found["gateways", "ollama"]["state"] == "missing"
    assert found["gateways", "ollama"]["fix"] == "ollama serve"


def test_for_people_it_is_short_and_shows_no_key(capsys: pytest.CaptureFixture[str]):
    Path("a.yaml").write_text(SCRIPTED)
    assert run(["doctor", "a.yaml"]) == 0
    out = capsys.readouterr().out
    assert "canary" not in out
    assert "ok      OPENAI_API_KEY: set in the environment, for openai, responses" in out
    assert "ok      scripted/m: answers from the file" in out
    assert sum("GROQ_API_KEY" in line for line in out.splitlines()) == 1


def test_ollama_and_its_model(server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("OLLAMA_HOST", server)
    Path("a.yaml").write_text("gateway: ollama\nmodel: there\n")
    found = findings(capsys, "a.yaml")
    assert found["gateways", "ollama"]["says"] == f"{server}, 1 model"
    assert found["routes", "ollama/there"]["says"] == f"{server}, 1 model, window 4096"


def test_an_agent_without_any_gateway_that_answers(capsys: pytest.CaptureFixture[str]):
    Path("a.yaml").write_text("gateway: ollama\nmodel: m\nfallback: [{gateway: local, model: ./missing.gguf}]\n")
    assert run(["trust", "--yes", "a.yaml"]) == 0
    capsys.readouterr()
    found = findings(capsys, "a.yaml", code=4)
    assert found["routes", "ollama/m"]["blocks"] == 4
    assert found["routes", "local/./missing.gguf"]["fix"] == "correct the path"


def test_one_gateway_that_answers_is_enough(capsys: pytest.CaptureFixture[str]):
    Path("a.yaml").write_text("fallback: [{gateway: ollama, model: m}]\n" + SCRIPTED)
    assert findings(capsys, "a.yaml")["routes", "ollama/m"]["blocks"] == 0


def test_a_files_own_gateway_is_asked_after_trust_alone(server: str, capsys: pytest.CaptureFixture[str]):
    row = f"{{dialect: openai, url: '{server}/v1', key_from: OPENAI_API_KEY}}"
    Path("a.yaml").write_text(f"gateway: mine\nmodel: there\ngateways: {{mine: {row}}}\n")
    found = findings(capsys, "a.yaml", code=6)
    assert found["trust", "a.yaml"]["fix"] == "agent-run trust a.yaml"
    assert "not contacted" in found["routes", "mine"]["says"]
    assert run(["trust", "--yes", "a.yaml"]) == 0
    capsys.readouterr()
    assert "2 models" in findings(capsys, "a.yaml")["routes", "mine/there"]["says"]


def test_programs_are_looked_for(capsys: pytest.CaptureFixture[str], folder: Path):
    tools = [
        "{command: {name: one, description: d, run: [sh, -c, 'touch ran']}}",
        "{command: {name: two, description: d, run: [no-such-program]}}",
        "{mcp: {name: three, command: [./no-such-server]}}",
        "{mcp: {name: four, command: [no-such-server], required: false}}",
    ]
    Path("a.yaml").write_text(f"{SCRIPTED}tools: [{', '.join(tools)}]\n")
    assert run(["trust", "--yes", "a.yaml"]) == 0
    capsys.readouterr()
    found = findings(capsys, "a.yaml", code=4)
    states = {name: (each["state"], each["blocks"]) for (topic, name), each in found.items() if topic == "tools"}
    assert states == {"one": ("ok", 0), "two": ("missing", 0), "three": ("missing", 4), "four": ("missing", 0)}
    assert not Path("ran").exists()


def test_servers_of_a_trusted_file_are_started(capsys: pytest.CaptureFixture[str], folder: Path):
    faults = ("ok", "die", "hang")
    diaries = {fault: folder / f"{fault}.log" for fault in faults}
    tools = [
        {
            "mcp": {
                "name": fault,
                "command": [sys.executable, "-S", str(FAULTS), fault, str(diaries[fault])],
                "required": fault != "hang",
                "timeout": 20 if fault != "hang" else 0.3,
            }
        }
        for fault in faults
    ]
    Path("a.yaml").write_text(f"{SCRIPTED}tools: {json.dumps(tools)}\n")
    assert ("servers", "ok") not in findings(capsys, "a.yaml", code=6)
    assert not any(diary.exists() for diary in diaries.values())
    assert run(["trust", "--yes", "a.yaml"]) == 0
    capsys.readouterr()
    found = findings(capsys, "a.yaml", code=4)
    servers = {name: (each["state"], each["blocks"]) for (topic, name), each in found.items() if topic == "servers"}
    assert servers == {"ok": ("ok", 0), "die": ("missing", 4), "hang": ("missing", 0)}
    assert found["servers", "ok"]["says"] == "answers with 2 tools"
    assert found["servers", "die"]["says"].endswith("line 29")


def test_a_file_that_is_wrong(capsys: pytest.CaptureFixture[str]):
    Path("a.yaml").write_text("gateway: ollama\nmodl: m\n")
    assert "a.yaml:2:1" in findings(capsys, "a.yaml", code=2)["agent", "a.yaml"]["says"]


def test_a_configuration_that_is_wrong(capsys: pytest.CaptureFixture[str], folder: Path):
    file = folder / "user" / "CONFIG" / "config.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("gatways: {}\n")
    found = findings(capsys, code=2)
    assert found["config", str(file)]["state"] == "wrong"
    file.write_text("hosts: [example.org]\n")
    assert findings(capsys)["config", str(file)]["says"] == "is valid"


def test_damaged_trust_is_told(capsys: pytest.CaptureFixture[str], folder: Path):
    Path("a.yaml").write_text(SCRIPTED + "tools: [{command: {name: go, description: d, run: [ls]}}]\n")
    assert run(["trust", "--yes", "a.yaml"]) == 0
    (record,) = (folder / "user" / "STATE" / "trust").iterdir()
    record.write_text("{")
    capsys.readouterr()
    assert run(["doctor", "a.yaml"]) == 6
    assert "counts for nothing" in capsys.readouterr().out
