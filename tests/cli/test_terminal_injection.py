"""T11: whatever files, models and names say, nothing is printed that a terminal obeys or GitHub takes for a command."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from runner.cli import run

HOSTILE = "\x1b]0;pwn\x07\x1b[2J\x9b31m\u202e\u2066\u2028"
NAME = f"a\nok 9 - forged\n::error::pwn ##[error]x{HOSTILE}.transcript.yaml"
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]")
COMMAND = re.compile(r"^\s*::error::pwn|##\[", re.MULTILINE)
AGENT = r"""
gateway: scripted
model: "m\x1b[2J\x9b\u202e"
description: "d\x1b[2J\u202e\n::error::pwn"
system_prompt: "p\n::error::pwn\n##[error]x\x1b[2J"
tools: [{command: {name: go, description: "d\x1b[2J\x9b", run: ["echo\x1b[2J\u202e", "::error::pwn"]}}]
script: [{text: "ok\n::error::pwn\n##[error]x\x1b[2J"}]
"""
SCRIPT = r"""
transcript: 1
agent: agent.yaml
turns:
- id: t
  user: hi
  expect:
  - contains: "x\n::error::pwn\n##[error]x\e[2J\u202e\x9b"
"""
COMMANDS = [
    ("check", "."),
    ("check", ".", "--format", "json"),
    ("check", ".", "--format", "sarif"),
    ("show", "agent.yaml"),
    ("show", "agent.yaml", "--format", "json"),
    ("show", "agent.yaml", "--permissions", f'go({{"x": "{HOSTILE}"}})'),
    ("show", "agent.yaml", "--permissions", f"x{HOSTILE}({{}})"),
    ("trust", "agent.yaml"),
    ("trust", "agent.yaml", "--yes"),
    ("trust", "--list"),
    ("trust", "--revoke", NAME),
    ("doctor", f"bad{HOSTILE}.yaml"),
    ("doctor", NAME, "--format", "json"),
    ("record", "--trust", "."),
    ("replay", "--trust", "."),
    *(("replay", "--trust", ".", "--report", form) for form in ("console", "tap", "junit", "json")),
    ("replay", NAME + HOSTILE),
    ("replay", ".", "--only", HOSTILE, "--model", HOSTILE),
    ("replay", ".", "--report", HOSTILE),
    (f"nope{HOSTILE}.yaml", "-m", "hi"),
    ("agent.yaml", "--trust", "--output", "json", "-m", "hi"),
    ("agent.yaml", "--trust", "--output", "jsonl", "-m", "hi"),
    ("agent.yaml", "--gateway", HOSTILE, "-m", "hi"),
    ("agent.yaml", "--set", HOSTILE, "-m", "hi"),
    ("pull", f"hf:{HOSTILE}"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for kind in ("CONFIG", "STATE", "CACHE"):
        monkeypatch.setenv(f"AGENT_RUN_{kind}_HOME", str(tmp_path / kind))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agent.yaml").write_text(AGENT, "utf-8")
    (tmp_path / f"bad{HOSTILE}.yaml").write_text(AGENT + '"un\\x1b[2Jknown\\u202e": 1\n', "utf-8")
    (tmp_path / NAME).write_text(SCRIPT, "utf-8")
    return tmp_path


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: "-".join(arguments[:4]).encode("unicode_escape"))
def test_t11_nothing_that_is_printed_is_obeyed(
    arguments: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["trust", "agent.yaml", "--yes"])
    capsys.readouterr()
    run(list(arguments))
    out, errors = capsys.readouterr()
    assert out or errors
    for text in (out, errors):
        assert not OBEYED.search(text), repr(text)
        assert not COMMAND.search(text), text
        assert "\nok 9" not in text or "<testsuites" in text


CLI = Path(__file__).parent.parent.parent / "runner" / "cli"


@pytest.mark.parametrize("path", sorted(CLI.glob("*.py")), ids=lambda path: path.name)
def test_t11_commands_print_through_one_writer(path: Path) -> None:
    """`check --format github`, the schema and the chat's greeting are escaped where they are made."""
    calls = [ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    direct = [call for call in calls if call in ("print", "click.echo", "sys.stdout.write", "sys.stderr.write")]
    allowed = {"check.py": 1, "schema.py": 1, "chat.py": 1, "report_output.py": 1}
    assert len(direct) <= allowed.get(path.name, 0), direct
