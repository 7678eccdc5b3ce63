"""A secret with everything in it that encodings touch is in no file that the command line writes."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

CANARY = "c@nary/7f+e0=&b2 ~Zq?9"
TOOLS = '''\
import base64
import os
from urllib.parse import quote


def token() -> str:
    return os.environ["REMINDER_TOKEN"]


def leak(hint: str) -> dict:
    """Leak it."""
    basic = base64.b64encode(f"user:{token()}:x".encode()).decode()
    return {"url": f"https://x.test/?t={quote(token(), safe='')}", "basic": basic, token(): [token() * 2]}


def fail(hint: str) -> str:
    """Fail with it."""
    raise ValueError(f"no entry with {token()}")


def long(hint: str) -> str:
    """More than a transcript holds."""
    return f"{token()} and words " * 400
'''
AGENT = """\
gateway: scripted
model: demo
system_prompt: "The token is {{ token }}."
variables: {token: ""}
tools:
- python: {function: './tools.py:leak', effects: read}
- python: {function: './tools.py:fail', effects: read}
- python: {function: './tools.py:long', effects: read}
script:
- error: {status: 429, retry_after: 0.01, message: 'MESSAGE'}
- calls: [{leak: {hint: 'https://a:SECRET@x.test/'}}, {fail: {hint: SECRET}}, {long: {hint: x}}]
- text: It is SECRET, or URL.
  chunks: [9, 9]
"""
SCRIPT = """\
transcript: 1
agent: agent.yaml
turns:
- id: t
  user: What is it?
  expect:
  - contains: nothing of the kind
  - tools: []
"""


def spellings(secret: str) -> list[str]:
    """The ways in which the secret must not be found, by the part that is the same in each neighbourhood."""
    coded = [base64.b64encode(b"." * shift + secret.encode()).decode()[8:-4] for shift in range(3)]
    return [secret, secret[2:-2], quote(secret, safe=""), quote_plus(secret), *coded]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    filled = AGENT.replace("MESSAGE", f"key {CANARY} has no quota").replace("SECRET", CANARY)
    (tmp_path / "agent.yaml").write_text(filled.replace("URL", quote(CANARY)).replace(f"hint: {CANARY}", "hint: y"))
    (tmp_path / "tools.py").write_text(TOOLS)
    (tmp_path / "a.transcript.yaml").write_text(SCRIPT)
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    return subprocess.run(
        [sys.executable, "-m", "runner", *arguments],
        cwd=folder,
        env=environment | {"REMINDER_TOKEN": CANARY},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_a_canary_is_in_nothing_that_is_written(folder: Path) -> None:
    given = {folder / "agent.yaml", folder / "tools.py"}
    variable = ("--var", f"token={CANARY}")
    assert run(folder, "record", "--trust", ".", *variable).returncode == 1
    chat = ("chat", "agent.yaml", "-m", "Well?", "--record", "chat", "--trust")
    assert run(folder, *chat, *variable).returncode == 0
    reports = [
        part for name in ("junit", "github", "json", "tap", "console") for part in ("--report", f"{name}=r/{name}")
    ]
    replayed = run(folder, "replay", "--trust", ".", *reports)
    live = run(folder, "replay", "--trust", "--live", "a.transcript.yaml")
    assert (replayed.returncode, live.returncode) == (1, 1)
    written = {file: file.read_text() for file in folder.rglob("*") if file.is_file() and file.suffix != ".pyc"}
    assert {"a.transcript.yaml", "chat.transcript.yaml", "junit", "failed.json"} <= {file.name for file in written}
    assert any(file.parent.name == ".blobs" for file in written)
    told = {"replay": replayed.stdout + replayed.stderr, "live": live.stdout + live.stderr}
    for where, text in [*((file, text) for file, text in written.items() if file not in given), *told.items()]:
        for spelling in spellings(CANARY):
            assert spelling not in text, where
    assert "«env:REMINDER_TOKEN»" in written[folder / "a.transcript.yaml"]


def test_t10_record_judges_what_the_recording_holds(tmp_path: Path) -> None:
    key = "sk-abcdefghijklmnop1234"
    (tmp_path / "agent.yaml").write_text(f"gateway: scripted\nmodel: m\nscript: [it is {key}]\n")
    expect = f"[{{not: {{contains: {key}}}}}, {{contains: openai-key}}]"
    script = f"transcript: 1\nagent: agent.yaml\nturns:\n- {{id: t, user: hi, expect: {expect}}}\n"
    (tmp_path / "a.transcript.yaml").write_text(script)
    assert (run(tmp_path, "record", ".").returncode, run(tmp_path, "replay", ".").returncode) == (0, 0)
    assert "redacted: {openai-key: 1}" in (tmp_path / "a.transcript.yaml").read_text()
