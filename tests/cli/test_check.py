"""`check`, `show` and `schema` as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.cli import run

SMALL = "gateway: ollama\nmodel: m\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AGENT_RUN_CONFIG_HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def test_a_good_file(capsys: pytest.CaptureFixture[str]):
    Path("a.yaml").write_text(SMALL)
    assert run(["check", "a.yaml"]) == 0
    assert capsys.readouterr() == ("", "1 file: no problems\n")


def test_all_problems_of_all_files(capsys: pytest.CaptureFixture[str]):
    Path("a.yaml").write_text(SMALL + "tols: []\n")
    Path("b.yaml").write_text("gateway: ollama\n")
    assert run(["check", "b.yaml", "a.yaml", "gone.yaml"]) == 2
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "a.yaml:3:1: error: tols: unknown key (did you mean 'tools'?)",
        "b.yaml:1:1: error: model: required, and missing",
        "gone.yaml: error: cannot be read: no such file or directory",
    ]
    assert err == "3 files: 3 errors\n"


def test_a_warning_does_not_fail(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    Path("a.yaml").write_text(SMALL + "gateways: {o: {dialect: openai, url: 'https://${env:NO_SUCH_KEY}/'}}\n")
    assert run(["check", "a.yaml"]) == 0
    out, err = capsys.readouterr()
    assert "a.yaml:3:47: warning: gateways.o.url: the environment variable NO_SUCH_KEY is not set" in out
    assert err == "1 file: 1 warning\n"


def test_a_folder_stands_for_the_agents_in_it(capsys: pytest.CaptureFixture[str], folder: Path):
    for name, text in {
        "a.yaml": SMALL,
        "sub/b.yml": "extends: parts/incomplete.yaml\nmodel: m\n",
        "sub/parts/incomplete.yaml": "gateway: ollama\nsystem_prompt: '{{ x }}'\n",
        "compose.yaml": "services: {}\n",
        ".hidden/c.yaml": "gateway: nonsense\n",
        "notes.txt": "gateway: nonsense\n",
    }.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert run(["check", "."]) == 2
    out, err = capsys.readouterr()
    assert out == "sub/parts/incomplete.yaml:2:20: error: 'x' is not defined (declare it under variables:)\n"
    assert err == "3 files: 1 error\n"


def test_nothing_to_check(capsys: pytest.CaptureFixture[str], folder: Path):
    assert run(["check", str(folder)]) == 5
    assert capsys.readouterr().err == "0 files: no problems\n"


@pytest.mark.parametrize("form", ["json", "sarif", "github"])
def test_formats_for_machines(form: str, capsys: pytest.CaptureFixture[str]):
    Path("a.yaml").write_text(SMALL + "tols: []\n")
    assert run(["check", "a.yaml", "--format", form]) == 2
    out = capsys.readouterr().out
    assert out.startswith("::error file=a.yaml,line=3,col=1::") if form == "github" else json.loads(out)
    Path("a.yaml").write_text(SMALL)
    assert run(["check", "a.yaml", "--format", form]) == 0


def test_nothing_is_run(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "t.py").write_text("open('canary', 'w')\ndef f(): ...\n")
    Path("a.yaml").write_text(
        SMALL + "tools:\n  - python: ./t.py:f\n  - mcp: {name: m, command: [touch, canary]}\n"
        "  - command: {name: c, description: d, run: [touch, canary]}\n"
    )
    assert run(["check", "a.yaml"]) == 0
    assert run(["show", "a.yaml"]) == 0
    assert not (folder / "canary").exists()
    assert "tool f (python)" in capsys.readouterr().out


def test_show_tells_what_would_be_sent(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OLLAMA_HOST", raising=False)
    Path("a.yaml").write_text(
        SMALL + "fallback: [{gateway: local, model: smollm2-135m}]\noptions: {seed: 1}\ncontext: {max_tokens: 4096}\n"
        "system_prompt: You know {{ language }}.\nvariables: {language: Elixir}\ntools: [resolve_date]\n"
    )
    assert run(["show", "a.yaml", "--var", "language=Erlang", "--set", "options.seed=2", "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["system"] == "You know Erlang."
    assert shown["options"] == {"seed": 2}
    assert shown["asks"]["gateway"] == "ollama"
    assert shown["asks"]["url"].endswith(":11434")
    assert shown["fallback"][0]["model"] == "smollm2-135m"
    assert shown["window"] == 4096
    assert [(tool["name"], tool["parameters"]["type"]) for tool in shown["tools"]] == [("resolve_date", "object")]
    assert run(["show", "a.yaml", "--model", "other"]) == 0
    text = capsys.readouterr().out
    assert "other at ollama" in text
    assert "  You know Elixir." in text
    assert "tool resolve_date (builtin): " in text


def test_show_refuses_what_is_wrong(capsys: pytest.CaptureFixture[str]):
    Path("a.yaml").write_text(SMALL + "system_prompt: '{{ x }}'\nvariables: {x: {type: integer}}\n")
    assert run(["show", "a.yaml"]) == 2
    assert "the variable 'x' has no value" in capsys.readouterr().err
    assert run(["show", "a.yaml", "--var", "y=1"]) == 2
    assert "no variable 'y'" in capsys.readouterr().err
    assert run(["show", "a.yaml", "--set", "modl=x"]) == 2
    assert "--set modl=x: error: modl: unknown key (did you mean 'model'?)" in capsys.readouterr().err


def test_show_explains_permissions(capsys: pytest.CaptureFixture[str], folder: Path):
    (folder / "t.py").write_text("raise SystemExit('imported')\ndef f(): ...\n")
    (folder / "other.yaml").write_text(SMALL)
    Path("a.yaml").write_text(
        SMALL
        + "permissions: {deny: ['command(rm *)', 'agent(*secret*)'], allow: [f]}\n"
        + "tools:\n  - python: ./t.py:f\n  - mcp: {name: m, command: [x]}\n  - agent: ./other.yaml\n"
        "  - command: {name: rm, description: d, run: [rm, '{path}'], parameters: {path: {type: string}}}\n"
    )
    for call, verdict in {
        'rm({"path": "x"})': "deny, because of deny: command(rm *)",
        "f": "allow, because of allow: f",
        "m__delete": "ask, because its effects are 'write'",
        'other({"message": "hi"})': "allow, because its effects are 'read'",
        'other({"message": "a secret"})': "deny, because of deny: agent(*secret*)",
    }.items():
        assert run(["show", "a.yaml", "--permissions", call]) == 0
        assert verdict in capsys.readouterr().out
    assert run(["show", "a.yaml", "--permissions", "nope"]) == 2
    assert "the agent has no tool 'nope'" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["agent", "transcript"])
def test_schema_prints_a_schema(kind: str, capsys: pytest.CaptureFixture[str]):
    assert run(["schema", kind]) == 0
    assert json.loads(capsys.readouterr().out)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
