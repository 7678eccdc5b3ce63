"""Problems in each format, whatever stands in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.config.diagnostic_formats import render_github, render_json, render_sarif, render_text
from runner.config.diagnostics import Diagnostic, sorted_diagnostics
from runner.core.spelling import nearest

ONE = Diagnostic(
    "agents/bad.yaml", 7, 13, "options.temprature: unknown option", "did you mean 'temperature'?", length=10
)
WHOLE = Diagnostic("gone.yaml", 0, 0, "cannot be read", severity="warning")


def test_text_without_source():
    assert render_text([ONE, WHOLE]).splitlines() == [
        "agents/bad.yaml:7:13: error: options.temprature: unknown option (did you mean 'temperature'?)",
        "gone.yaml: warning: cannot be read",
    ]


def test_text_with_source_and_caret(tmp_path: Path):
    file = tmp_path / "bad.yaml"
    file.write_text("\n" * 6 + "  options: {temprature: 0.2}\n")
    shown = render_text([Diagnostic(str(file), 7, 13, "wrong", length=10)], source=True).splitlines()
    assert shown[1:] == ["    7 |   options: {temprature: 0.2}", "      |             ^^^^^^^^^^"]


@pytest.mark.parametrize("columns", ["20", "80", "500"])
def test_a_long_line_is_cut_around_its_caret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: str):
    monkeypatch.setenv("COLUMNS", columns)
    file = tmp_path / "long.yaml"
    file.write_text("a" * 5000 + "HERE" + "b" * 5000)
    _, line, caret = render_text([Diagnostic(str(file), 1, 5001, "wrong", length=4)], source=True).splitlines()
    assert len(line) <= max(60, min(110, int(columns)))
    assert line[caret.index("^") : caret.rindex("^") + 1] == "HERE"


def test_a_terminal_is_not_obeyed(tmp_path: Path):
    file = tmp_path / "x.yaml"
    file.write_text("a: \x1b]0;owned\x07 \u202e\n")
    shown = render_text([Diagnostic(str(file), 1, 4, "bad \x1b[31m value\nnext")], source=True)
    assert not {"\x1b", "\x07", "\u202e"}.intersection(shown)
    assert len(shown.splitlines()) == 3


def test_secrets_in_the_source_line_are_masked(tmp_path: Path):
    file = tmp_path / "x.yaml"
    file.write_text("key: sk-abcdefgh12345678, other: plain\n")
    shown = render_text([Diagnostic(str(file), 1, 6, "a secret", length=19)], source=True)
    assert "sk-" not in shown
    assert "other: plain" in shown


def test_json():
    assert json.loads(render_json([ONE]))[0] == {
        "file": "agents/bad.yaml",
        "line": 7,
        "column": 13,
        "length": 10,
        "severity": "error",
        "message": "options.temprature: unknown option",
        "hint": "did you mean 'temperature'?",
    }
    assert json.loads(render_json([])) == []


def test_github():
    assert render_github([ONE, WHOLE]).splitlines() == [
        "::error file=agents/bad.yaml,line=7,col=13::options.temprature: unknown option (did you mean 'temperature'?)",
        "::warning file=gone.yaml::cannot be read",
    ]
    odd = Diagnostic("a,b:c.yaml", 1, 1, "100% wrong\nreally")
    assert render_github([odd]) == "::error file=a%2Cb%3Ac.yaml,line=1,col=1::100%25 wrong%0Areally"


def test_sarif():
    log = json.loads(render_sarif([ONE, WHOLE]))
    (run,) = log["runs"]
    first, second = run["results"]
    assert (log["version"], run["tool"]["driver"]["name"], first["level"], second["level"]) == (
        "2.1.0",
        "agent-run",
        "error",
        "warning",
    )
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "agents/bad.yaml"
    assert place["region"] == {"startLine": 7, "startColumn": 13, "endColumn": 23}
    assert "region" not in second["locations"][0]["physicalLocation"]
    rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert {result["ruleId"] for result in run["results"]} <= rules


PROBLEMS = st.builds(
    Diagnostic,
    st.text(min_size=1, max_size=8),
    st.integers(0, 9),
    st.integers(0, 9),
    st.text(max_size=20),
    st.text(max_size=9),
    st.sampled_from(["error", "warning"]),
)


@given(st.lists(PROBLEMS, max_size=4))
def test_one_line_each_whatever_they_say(diagnostics: list[Diagnostic]):
    assert len(render_text(diagnostics).splitlines()) == len(diagnostics)
    assert render_github(diagnostics).count("::error ") + render_github(diagnostics).count("::warning ") >= len(
        diagnostics
    )
    assert len(render_github(diagnostics).split("\n")) == max(1, len(diagnostics))
    assert len(json.loads(render_json(diagnostics))) == len(diagnostics)
    assert list(sorted_diagnostics(diagnostics)) == sorted(set(diagnostics))


def test_nearest():
    assert nearest("temprature", ["temperature", "top_p"]) == "did you mean 'temperature'?"
    assert nearest("OLLAMA", ["ollama"]) == "did you mean 'ollama'?"
    assert nearest("zzz", ["ollama"]) == ""
