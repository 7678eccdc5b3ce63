"""What a replay says of Python tools whose code nobody trusts: that it was not looked at, once a cell."""

from __future__ import annotations

import json

import pytest

from runner.transcripts.reports import SuiteResult, report_renderer

TOOLS = (
    "from pathlib import Path\nPath('imported').touch()\n"
    'def shout(word: str) -> str:\n    """Shout."""\n    return word.upper()\n'
    'def whisper(word: str) -> str:\n    """Whisper."""\n    return word.lower()\n'
)


@pytest.fixture
def code(case, monkeypatch: pytest.MonkeyPatch):
    """A case with two Python tools, recorded; nobody trusts it."""
    monkeypatch.setenv("AGENT_RUN_STATE_HOME", str(case.folder / "state"))
    monkeypatch.chdir(case.folder)
    (case.folder / "tools.py").write_text(TOOLS)
    case.agent.write_text(
        "gateway: scripted\nmodel: demo\ntools:\n- python: ./tools.py:shout\n- python: ./tools.py:whisper\n"
        "script: [{calls: [{shout: {word: a}}, {whisper: {word: B}}]}, A, {calls: [{shout: {word: c}}]}, C]\n"
    )
    answers = "answers: {approve: [shout, whisper]}"
    case.file.write_text(f"transcript: 1\nagent: agent.yaml\nturns: [{{user: A, {answers}}}, {{user: B, {answers}}}]\n")
    case.record()
    (case.folder / "imported").unlink()
    return case


def test_it_is_said_once_a_cell_in_each_report(code) -> None:
    outcome = code.replay()
    assert outcome.verdict == "pass"
    (finding,) = outcome.findings
    assert (finding.level, finding.kind, finding.location.line) == ("info", "code", 3)
    assert finding.what.startswith("the code of shout, whisper was not looked at")
    result = SuiteResult([outcome])
    assert report_renderer("console")(result).count("was not looked at") == 1
    assert report_renderer("github")(result).startswith(f"::notice file={code.agent},line=3,")
    (told,) = json.loads(report_renderer("json")(result))["cells"][0]["findings"]
    assert told["kind"] == "code"
    assert "<failure" not in report_renderer("junit")(result)
    assert not (code.folder / "imported").exists()


def test_a_changed_signature_is_told_only_of_code_that_was_looked_at(code) -> None:
    code.change(code.folder / "tools.py", "word: str", "word: int", 1)
    assert (code.replay().verdict, len(code.replay().findings)) == ("pass", 1)
    outcome = code.replay(trust=True)
    assert outcome.verdict == "stale"
    assert not [finding for finding in outcome.findings if finding.level == "info"]


def test_nothing_is_said_where_no_code_is_named(recorded) -> None:
    assert recorded.replay().findings == ()
