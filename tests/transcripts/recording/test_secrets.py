"""No secret gets into a transcript, a blob or a report."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from runner.core.errors import AgentRunError
from runner.transcripts.conversation.run_context import RunContext, redactor_for
from runner.transcripts.recording.live_run import run_transcript
from runner.transcripts.reports import FORMATS, SuiteResult, report_renderer

CANARY = "canary-4f9a1c77e0b2"


def test_a_canary_is_in_no_file(case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMINDER_TOKEN", CANARY)
    coded = base64.b64encode(f"user:{CANARY}".encode()).decode()
    tool = (
        "import os\n"
        "def leak(url: str) -> dict:\n"
        "    '''Leak it.'''\n"
        "    token = os.environ['REMINDER_TOKEN']\n"
        f"    return {{'url': f'https://x.test/?t={{token}}', token: [token], 'basic': '{coded}'}}\n"
        "def fail(url: str) -> str:\n"
        "    '''Fail with it.'''\n"
        "    raise ValueError('no entry with ' + os.environ['REMINDER_TOKEN'])\n"
    )
    (case.folder / "tools.py").write_text(tool)
    case.agent.write_text(
        "gateway: scripted\nmodel: demo\n"
        "tools:\n"
        "- python: {function: './tools.py:leak', effects: read}\n"
        "- python: {function: './tools.py:fail', effects: read}\n"
        "script:\n"
        f"- error: {{status: 429, retry_after: 0.01, message: 'key {CANARY} has no quota left'}}\n"
        f"- calls: [{{leak: {{url: 'https://a:{CANARY}@x.test/'}}}}, {{fail: {{url: x}}}}]\n"
        f"- text: 'It is {CANARY}, or {quote(CANARY)}. ' \n  chunks: [9, 9]\n"
    )
    case.file.write_text("transcript: 1\nagent: agent.yaml\nturns:\n- id: t\n  user: What is the token?\n")
    case.record()
    for file in case.folder.rglob("*"):
        if file.is_file() and file.name not in ("agent.yaml", "tools.py"):
            data = file.read_bytes()
            assert CANARY.encode() not in data, file
            assert coded.encode() not in data, file
            assert CANARY[3:9].encode() not in data, file
    assert "«env:REMINDER_TOKEN»" in case.file.read_text()
    monkeypatch.delenv("REMINDER_TOKEN")
    outcome = case.replay(trust=True)
    assert outcome.changes == ()


def test_the_redactor_of_a_stage_knows_what_the_agent_resolved(recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "a-rather-long-value")
    transcript = recorded.load()
    mask = redactor_for(RunContext().agent(transcript), transcript)
    assert mask("x a-rather-long-value") == "x «env:SOME_API_KEY»"


def test_a_canary_is_in_no_report(case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMINDER_TOKEN", CANARY)
    case.change(case.agent, "The meetup is on", f"The token {CANARY} is on")
    case.change(case.file, "  - contains:", "  - text: Nothing.\n  - not: {regex: token}\n  - contains:")
    outcome = run_transcript(case.load(), RunContext(offline=False)).outcome
    assert outcome.verdict == "fail"
    for form in FORMATS:
        assert CANARY not in report_renderer(form)(SuiteResult([outcome]))
    assert "«env:REMINDER_TOKEN»" in outcome.findings[0].diff
    case.change(
        case.agent, '- text: \'{"date"', f"- error: {{status: 401, message: 'no {CANARY}'}}\n- text: '{{\"date\""
    )
    with pytest.raises(AgentRunError) as caught:
        run_transcript(case.load(), RunContext(offline=False))
    assert CANARY not in str(caught.value)
