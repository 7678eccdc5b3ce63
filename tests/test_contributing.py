"""What CONTRIBUTING.md says of adding something new: each example is added to a copy of the program, and used there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
SECTIONS = dict(re.findall(r"^### (.*?)\n(.*?)(?=^##)", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.M | re.S))
FILES_OF = {"A kind of tool": 1, "A dialect": 1, "An expectation": 1, "A report": 1, "A command": 2}


def blocks(section: str, language: str) -> list[tuple[str, str]]:
    """The path and the text of each block of the language that names a file behind it."""
    fences = re.findall(rf"^   ```{language} (\S+)\n(.*?)^   ```$", SECTIONS[section], re.M | re.S)
    return [(path, re.sub(r"^ {3}", "", text, flags=re.M)) for path, text in fences]


class Copy:
    """The program with what one section adds to it."""

    def __init__(self, folder: Path, section: str) -> None:
        self.folder = folder
        for name in ("runner", "schemas", "scripts"):
            shutil.copytree(ROOT / name, folder / name)
        for path, text in blocks(section, "python"):
            assert not (folder / path).exists()
            (folder / path).write_text(text, "utf-8")
        for path, text in blocks(section, "diff"):
            self.insert(path, text.splitlines())
        for script in re.findall(r"`uv run (scripts/\S+)`", SECTIONS[section]):
            ran = self.python(script)
            assert ran.returncode == 0, ran.stderr

    def insert(self, path: str, lines: list[str]) -> None:
        """Add the lines that begin with `+` to a file, where those that begin with a blank are."""
        text = (self.folder / path).read_text("utf-8")
        before = "".join(f"{line[1:]}\n" for line in lines if line[0] == " ")
        assert text.count(before) == 1, f"{path} has not once: {before}"
        (self.folder / path).write_text(text.replace(before, "".join(f"{line[1:]}\n" for line in lines)), "utf-8")

    def python(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        homes = {f"AGENT_RUN_{name}_HOME": str(self.folder / name) for name in ("CONFIG", "STATE", "CACHE")}
        environment = {name: value for name, value in os.environ.items() if name != "CI"}  # a build may not record
        environment |= {**homes, "PYTHONPATH": str(self.folder), "PYTHONUTF8": "1", **variables}
        command = [sys.executable, "-P", *arguments]
        return subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True, timeout=120)

    def __call__(self, *arguments: str, **variables: str) -> str:
        """The exit code, stdout and stderr of `agent-run ARGUMENTS`."""
        ran = self.python("-m", "runner", *arguments, **variables)
        return f"{ran.returncode} {ran.stdout}{ran.stderr}"

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, "utf-8")


@pytest.fixture
def added(tmp_path: Path) -> Callable[[str], Copy]:
    return lambda section: Copy(tmp_path / "copy", section)


def test_every_section_is_tried_here():
    assert list(SECTIONS) == list(FILES_OF)


@pytest.mark.parametrize("section", FILES_OF)
def test_a_new_thing_is_one_file_and_one_row(section: str):
    """A command is a file for what it does, and one for what a person sees of it."""
    assert len(blocks(section, "python")) == FILES_OF[section]
    [(_, row)] = blocks(section, "diff")
    assert len(re.findall(r"^\+", row, re.M)) == 1


@pytest.mark.parametrize("section", FILES_OF)
def test_an_example_has_the_style_of_the_program(section: str):
    for path, text in blocks(section, "python"):
        for command in (["format", "--check"], ["check"]):
            ran = subprocess.run(
                [sys.executable, "-m", "ruff", *command, "--stdin-filename", path, "-"],
                cwd=ROOT,
                input=text,
                capture_output=True,
                text=True,
            )
            assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.slow
def test_the_examples_have_the_types_that_the_program_asks_for(tmp_path: Path):
    for section in FILES_OF:
        for path, text in blocks(section, "python"):
            copied = tmp_path / path
            copied.parent.mkdir(parents=True, exist_ok=True)
            copied.write_text(text, "utf-8")
    shutil.copytree(ROOT / "runner", tmp_path / "runner", dirs_exist_ok=True)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    ran = subprocess.run([sys.executable, "-m", "mypy", "runner"], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout


QUOTING = """
gateway: scripted
model: m
tools: [quote: {file: "${env:FILE:-motto.txt}"}]
script: [calls: [quote: {}], text: done]
"""


def test_a_kind_of_tool(added: Callable[[str], Copy]):
    run = added("A kind of tool")
    run.write("a.yaml", QUOTING)
    run.write("motto.txt", "Know thyself.")
    assert run("check", "a.yaml").startswith("0 ")
    wrong = run("check", "a.yaml", FILE="motto.md")
    assert wrong.startswith("2 ")
    assert "tools[0].quote.file: no text file" in wrong
    assert "there is no file" in run("check", "a.yaml", FILE="other.txt")
    assert "unknown option" in run("show", "a.yaml", "--set", "tools=[{quote: {fiel: x}}]")
    assert '"kind": "quote"' in run("show", "a.yaml", "--format", "json")
    untrusted = run("a.yaml", "-m", "go")
    assert untrusted.startswith("6 ")
    assert "motto.txt" in untrusted
    assert "read     motto.txt" in run("trust", "a.yaml", "--yes")
    assert run("a.yaml", "-m", "go", "--record", "t.yaml").startswith("0 done")
    assert "Know thyself." in (run.folder / "t.yaml").read_text("utf-8")
    assert "1 pass" in run("replay", "t.yaml")
    run.write("motto.txt", "another")
    assert "motto.txt has changed" in run("a.yaml", "-m", "go")


class TinyServer(BaseHTTPRequestHandler):
    """Says back what it is told, in the tiny dialect."""

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        events: list[dict[str, Any]] = [{"text": f"{request['model']} heard "}, {"text": request["messages"][-1][1]}]
        if events[-1]["text"] == "fail":
            events = [{"error": "out of order"}]
        body = "".join(f"data: {json.dumps(event)}\n\n" for event in [*events, {"end": "stop"}]).encode()
        self.send_response(200 if self.path == "/v1/chat" else 404)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def tiny_server() -> Iterator[str]:
    """The url of a server that speaks the tiny dialect."""
    with ThreadingHTTPServer(("127.0.0.1", 0), TinyServer) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def test_a_dialect(added: Callable[[str], Copy], tiny_server: str):
    run = added("A dialect")
    agent = f"gateway: office\nmodel: m\ngateways: {{office: {{dialect: tiny, url: '{tiny_server}'}}}}\n"
    run.write("a.yaml", agent)
    assert '"tiny"' in run("schema", "agent")
    assert run("check", "a.yaml").startswith("0 ")
    run.write("misspelt.yaml", agent.replace("tiny", "tinny"))
    assert "did you mean 'tiny'" in run("check", "misspelt.yaml")
    assert f"connect  {tiny_server.removesuffix('/v1')}" in run("trust", "a.yaml", "--yes")
    assert run("a.yaml", "-m", "hello", "--record", "t.yaml").startswith("0 m heard hello")
    assert "out of order" in run("a.yaml", "-m", "fail")
    assert "1 pass" in run("replay", "t.yaml")


SAYING = "gateway: scripted\nmodel: m\nscript: [text: one]\n"
SCRIPT = "transcript: 1\nagent: a.yaml\nturns:\n- user: hi\n  expect: [lines: {min: 1, max: 1}]\n"


def test_an_expectation(added: Callable[[str], Copy]):
    run = added("An expectation")
    run.write("a.yaml", SAYING)
    run.write("t.yaml", SCRIPT)
    assert '"lines"' in run("schema", "transcript")
    assert "1 pass" in run("record", "t.yaml")
    assert "1 pass" in run("replay", "t.yaml")
    recorded = (run.folder / "t.yaml").read_text("utf-8")
    run.write("t.yaml", recorded.replace("min: 1, max: 1", "min: 2, max: 3"))
    failed = run("replay", "t.yaml")
    assert failed.startswith("1 ")
    assert "lines" in failed
    assert "the text has 1 line\n" in failed
    run.write("t.yaml", recorded.replace("lines: {min: 1, max: 1}", "not: {lines: {min: 2, max: 3}}"))
    assert "1 pass" in run("replay", "t.yaml")
    run.write("t.yaml", recorded.replace("min: 1, max: 1", "min: 3, max: 2"))
    assert "lines: min is more than max" in run("check", "t.yaml")
    run.write("t.yaml", recorded.replace("min: 1, max: 1", "max: 2"))
    assert run("check", "t.yaml").startswith("2 ")


def test_a_report(added: Callable[[str], Copy]):
    run = added("A report")
    run.write("a.yaml", SAYING)
    run.write("t.yaml", SCRIPT.replace("lines: {min: 1, max: 1}", "text: one"))
    run("record", "t.yaml")
    assert run("replay", "t.yaml", "--report", "markdown").startswith(
        "0 | verdict | cell |\n| --- | --- |\n| pass | `t.yaml"
    )
    assert "markdown" in run("replay", "t.yaml", "--report", "nothing")
    assert "markdown" in run("replay", "--help")


def test_a_command(added: Callable[[str], Copy]):
    run = added("A command")
    run.write("a.yaml", SAYING + "fallback: [{gateway: local, model: smollm2-135m}]\n")
    assert "the models that an agent asks" in run("--help")
    assert "Print the models" in run("models", "--help")
    assert run("models", "a.yaml") == "0 scripted/m\nlocal/smollm2-135m\n"
    assert run("models", "nowhere.yaml").startswith("2 ")
    assert "did you mean 'models'" in run("modells")
