"""`agent-run trust`, and the question about trust in `chat`, as a user meets them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runner.cli import run

AGENT = """\
gateway: scripted
model: m
tools: [{command: {name: go, description: d, run: [touch, ran], effects: none}}]
script: [{calls: [{go: {}}]}, {text: done}]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for kind in ("CONFIG", "STATE"):
        monkeypatch.setenv(f"AGENT_RUN_{kind}_HOME", str(tmp_path / "user" / kind))
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text(AGENT)
    return tmp_path


def test_it_shows_and_asks_and_keeps(at_terminal: Callable, folder: Path):
    terminal = at_terminal("trust", "a.yaml", cwd=folder)
    assert "run      touch ran" in terminal.expect("Trust this file")
    terminal.type("yes")
    terminal.expect("trusted, until any of it changes")
    assert terminal.ended() == 0
    assert run(["a.yaml", "-m", "hi"]) == 0
    assert Path("ran").exists()


@pytest.mark.parametrize("answers", [["no"], ["", "n"], ["maybe", "yess", "N"], ["\x04"], ["", "\x04"]])
def test_anything_but_yes_is_no_or_asked_again(at_terminal: Callable, folder: Path, answers: list[str]):
    terminal = at_terminal("trust", "a.yaml", cwd=folder)
    for answer in answers:
        terminal.expect("Trust this file, as it stands now? [y]es, [n]o: ")
        terminal.type(answer)
    terminal.expect("nothing was trusted")
    assert terminal.ended() == 6
    assert run(["a.yaml", "-m", "hi"]) == 6


def test_chat_asks_once_at_a_terminal(at_terminal: Callable, folder: Path):
    for first in (True, False):
        terminal = at_terminal("a.yaml", cwd=folder)
        if first:
            assert "touch ran" in terminal.expect("Trust this file")
            assert not Path("ran").exists()
            terminal.type("y")
        terminal.expect("Query: ")
        terminal.type("exit")
        assert terminal.ended() == 0


def test_without_a_terminal_nothing_is_asked_and_nothing_runs(capsys: pytest.CaptureFixture[str]):
    assert run(["a.yaml", "-m", "hi"]) == 6
    out, errors = capsys.readouterr()
    assert not out
    assert "touch ran" in errors
    assert "agent-run trust a.yaml" in errors
    assert not Path("ran").exists()
    assert run(["trust", "a.yaml"]) == 6
    assert run(["a.yaml", "-m", "hi"]) == 6


def test_trust_for_once(capsys: pytest.CaptureFixture[str]):
    assert run(["a.yaml", "--trust", "-m", "hi"]) == 0
    assert Path("ran").exists()
    assert run(["a.yaml", "-m", "hi"]) == 6


def test_a_change_is_shown(capsys: pytest.CaptureFixture[str]):
    assert run(["trust", "--yes", "a.yaml"]) == 0
    Path("a.yaml").write_text(AGENT.replace("touch, ran", "touch, run"))
    assert run(["trust", "a.yaml"]) == 6
    out = capsys.readouterr().out
    assert "  - run      touch ran" in out
    assert "  + run      touch run" in out
    assert "  ~ the tool go is declared otherwise" in out


def test_listing_and_taking_back(capsys: pytest.CaptureFixture[str], folder: Path):
    assert run(["trust", "-y", "a.yaml"]) == 0
    assert run(["trust", "a.yaml"]) == 0
    assert "trusted as it stands" in capsys.readouterr().out
    assert run(["trust", "--list"]) == 0
    assert capsys.readouterr().out.startswith(f"{folder / 'a.yaml'}  (20")
    Path("a.yaml").unlink()
    assert run(["trust", "--revoke", "a.yaml"]) == 0
    assert run(["trust", "--revoke", "a.yaml"]) == 0
    assert capsys.readouterr().out == "a.yaml is no longer trusted\na.yaml was not trusted\n"
    assert run(["trust", "--list"]) == 0
    assert not capsys.readouterr().out


def test_what_needs_no_trust_says_so(capsys: pytest.CaptureFixture[str]):
    Path("b.yaml").write_text("gateway: ollama\nmodel: m\ntools: [resolve_date]\n")
    assert run(["trust", "b.yaml"]) == 0
    assert "needs no trust" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["missing.yaml"], ["--revoke"]])
def test_wrong_use(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    assert run(["trust", *arguments]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_state_folder_that_cannot_be_written_is_told(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "user").mkdir()
    (folder / "user" / "STATE").write_text("a file where the folder should be")
    assert run(["trust", "--yes", "a.yaml"]) == 2
    assert "fix:" in capsys.readouterr().err


def test_a_changed_server_is_accepted(folder: Path):
    server = "{name: far, command: [far-server]}"
    Path("a.yaml").write_text(f"gateway: scripted\nmodel: m\ntools: [{{mcp: {server}}}]\nscript: [{{text: hi}}]\n")
    pins = folder / "user" / "STATE" / "mcp-pins"
    from runner.config.loader import load_agent
    from runner.tools.entry import ToolSettings
    from runner.tools.mcp.pinned_tools import pinned_file
    from runner.tools.mcp.server_config import server_config

    pinned = pinned_file(server_config(load_agent("a.yaml").tools[0], ToolSettings()))
    pins.mkdir(parents=True)
    pinned.write_text("{}")
    assert run(["trust", "--yes", "a.yaml"]) == 0
    assert not pinned.exists()
