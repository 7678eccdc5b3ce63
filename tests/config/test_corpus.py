"""The files under good/ load, and those under bad/ have exactly the problems that stand beside them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.config.loader import check_agent, load_agent
from runner.core.errors import ConfigError
from thoroughness import examples

HERE = Path(__file__).parent
GOOD = sorted((HERE / "good").glob("*.yaml"))
BAD = sorted((HERE / "bad").glob("*.yaml"))
SHIPPED = sorted((HERE.parents[1] / "agents").glob("*.yaml"))
ENVIRON = {"HOME": "/home/somebody", "AGENT_RUN_CONFIG_HOME": str(HERE / "no-such-folder")}


def problems_of(name: str) -> list[str]:
    return [str(diagnostic) for diagnostic in check_agent(name, environ=ENVIRON).diagnostics]


@pytest.mark.parametrize("path", [*GOOD, *SHIPPED], ids=lambda path: path.stem)
def test_good_files_load_without_a_word(path: Path):
    examined = check_agent(path, environ=ENVIRON)
    assert [str(diagnostic) for diagnostic in examined.diagnostics if diagnostic.severity == "error"] == []
    assert examined.agent == load_agent(path, environ=ENVIRON)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_agents_have_no_warning_either(path: Path):
    assert check_agent(path, environ=ENVIRON).diagnostics == ()


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_bad_files_have_exactly_these_problems(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(path.parent)
    expected = path.with_suffix(".problems").read_text("utf-8").splitlines()
    assert problems_of(path.name) == expected


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_loading_raises_what_examining_finds(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(path.parent)
    errors = [line for line in problems_of(path.name) if ": error: " in line]
    if not errors:
        load_agent(path.name, environ=ENVIRON)
        return
    with pytest.raises(ConfigError) as caught:
        load_agent(path.name, environ=ENVIRON)
    assert [str(diagnostic) for diagnostic in caught.value.problems] == errors


def test_every_place_lies_inside_its_file(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(HERE / "bad")
    for path in BAD:
        for diagnostic in check_agent(path.name, environ=ENVIRON).diagnostics:
            lines = Path(diagnostic.path).read_bytes().decode("utf-8", "replace").split("\n")
            assert 1 <= diagnostic.line <= max(1, len(lines)), diagnostic
            assert 1 <= diagnostic.column <= len(lines[diagnostic.line - 1]) + 1, diagnostic


def test_nothing_that_a_file_names_is_imported():
    before = set(sys.modules)
    assert check_agent(HERE / "good" / "everything.yaml", environ=ENVIRON).agent is not None
    assert "shelf" not in {
        Path(getattr(sys.modules[name], "__file__", "") or "").stem for name in set(sys.modules) - before
    }


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch):
    from runner.config.diagnostic_formats import FORMATS, render_text

    monkeypatch.chdir(HERE / "bad")
    diagnostics = check_agent("literal-secrets.yaml", environ=ENVIRON).diagnostics
    assert len(diagnostics) == 2
    for text in [render_text(diagnostics, source=True), *(form(diagnostics) for form in FORMATS.values())]:
        assert "sk-abcdefgh" not in text
        assert "0123456789abcdef" not in text


@settings(max_examples=examples(250), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_edit_of_one_byte_loads_or_is_located(data: st.DataObject, tmp_path: Path):
    original = data.draw(st.sampled_from(_SOURCES))
    at = data.draw(st.integers(0, len(original) - 1))
    byte = data.draw(st.sampled_from(_BYTES))
    edited = data.draw(
        st.sampled_from(
            [original[:at] + byte + original[at + 1 :], original[:at] + byte + original[at:], original[:at]]
        )
    )
    file = tmp_path / "edited.yaml"
    file.write_bytes(edited)
    lines = edited.count(b"\n") + edited.count(b"\r") + 1
    for diagnostic in check_agent(file, environ=ENVIRON).diagnostics:
        assert diagnostic.path.startswith(str(tmp_path))
        assert 1 <= diagnostic.line <= lines, diagnostic
        assert diagnostic.column >= 1


_SOURCES = [path.read_bytes() for path in (*GOOD, *SHIPPED) if path.stem != "extends"]
_BYTES = [bytes([each]) for each in b"\0\x07\t\n\r !\"#%&'*,-.0:<>?@[\\]`a{|}~\x7f\x85\xc3\xff"]


def test_two_loads_are_equal_and_serialise():
    agent = load_agent(HERE / "good" / "everything.yaml", environ=ENVIRON)
    json.dumps([dict(agent.options), [dict(each.options) for each in agent.tools], list(agent.script)])
    assert agent == load_agent(HERE / "good" / "everything.yaml", environ=ENVIRON)
