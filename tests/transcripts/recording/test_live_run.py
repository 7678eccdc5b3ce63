"""What a live run records, and what it refuses to run."""

from __future__ import annotations

import pytest

from runner.core.errors import AgentRunError, Denied, RateLimited
from runner.transcripts.conversation.run_context import RunContext
from runner.transcripts.recording.live_run import run_transcript


def test_a_failing_model_writes_nothing(case) -> None:
    case.change(case.agent, '- text: \'{"date"', '- error: {status: 401}\n- text: \'{"date"')
    before = case.file.read_bytes()
    with pytest.raises(AgentRunError):
        case.record()
    assert case.file.read_bytes() == before


def test_a_retried_error_is_recorded_and_replayed_without_waiting(case) -> None:
    case.change(case.agent, "script:\n", "script:\n- error: {status: 429, retry_after: 0.01}\n")
    case.change(case.file, "  - contains:", "  - events: [retry]\n  - contains:")
    recording = case.record()
    assert recording.turns["plan"][0].error.code == RateLimited.code
    case.change(case.file, "retry_after: 0.01", "retry_after: 60")
    outcome = case.replay()
    assert outcome.seconds < 5
    assert [finding.kind for finding in outcome.findings] == []


def test_a_tool_that_writes_is_not_run_unasked(case) -> None:
    tool = (
        "from pathlib import Path\n"
        "def save(name: str) -> str:\n"
        "    '''Save.'''\n"
        "    Path(__file__).with_name(name).touch()\n"
        "    return 'ok'\n"
    )
    (case.folder / "tools.py").write_text(tool)
    case.agent.write_text(
        "gateway: scripted\nmodel: demo\ntools: [{python: {function: './tools.py:save', effects: write}}]\n"
        "script: [{calls: [{save: {name: made}}]}, {text: Saved.}]\n"
    )
    case.file.write_text("transcript: 1\nagent: agent.yaml\nturns:\n- id: t\n  user: Save it.\n")
    with pytest.raises(Denied, match="needs somebody to say yes"):
        case.record()
    assert not (case.folder / "made").exists()
    case.change(case.file, "user: Save it.", "user: Save it.\n  answers: {approve: [save]}")
    case.record()
    (case.folder / "made").unlink()
    assert case.replay(trust=True).verdict == "pass"
    assert not (case.folder / "made").exists()


def test_the_model_that_answers_in_the_end_is_the_one_recorded(case) -> None:
    case.change(
        case.agent,
        "gateway: scripted\nmodel: demo\n",
        "gateway: dead\nmodel: m\ngateways: {dead: {dialect: ollama, url: 'http://127.0.0.1:9'}}\n"
        "fallback: [{gateway: scripted, model: demo}]\n",
    )
    recording = case.record()
    assert recording.name == "scripted/demo"
    assert [[reply.route for reply in replies] for replies in recording.turns.values()] == [[1, 2, 2], [2]]
    outcome = case.replay()
    assert (outcome.verdict, outcome.changes) == ("pass", ())


def test_a_turn_that_wants_what_no_answer_gave_is_not_recorded(case) -> None:
    case.change(case.file, "  - contains:", "  - regex: 'number (?P<number>\\d+)'\n  - contains:")
    case.change(case.file, "user: Give me that as JSON.", "user: What is {{ number }}?")
    run = run_transcript(case.load(), RunContext(offline=False))
    assert not run.complete
    assert run.outcome.verdict == "fail"


def test_defaults_of_the_environment_hold_in_a_replay_too(case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.change(
        case.agent,
        "tools: [resolve_date]",
        "tools: [resolve_date, {http: {name: w, description: W., method: GET, url: 'https://${env:W_HOST:-x.test}/'}}]",
    )
    monkeypatch.setenv("W_HOST", "y.test")
    case.record()
    monkeypatch.delenv("W_HOST")
    assert case.replay().verdict == "pass"
