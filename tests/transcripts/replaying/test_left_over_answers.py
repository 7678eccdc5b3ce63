"""Answers that nothing asks for fail the turn, in a replay and live; those that a recorded result stands for do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.transcripts.conversation.run_context import RunContext, redactor_for
from runner.transcripts.files.loader import load_transcript
from runner.transcripts.outcome import Finding
from runner.transcripts.recording.live_run import run_transcript
from runner.transcripts.recording.recording_writer import write_recording
from runner.transcripts.replaying.replay import replay_recording

AGENT = """\
gateway: scripted
model: demo
tools:
- ask_user
- python: {function: ./tools.py:choose, effects: read}
script:
"""
TOOLS = """\
from runner.tools import Context


def choose(context: Context) -> str:
    return context.ask("Which?", ())
"""
ASKS = "- calls: [{ask_user: {question: Which?}}]\n- text: Done.\n"
CODE_ASKS = "- calls: [{choose: {}}]\n- text: Done.\n"
SCRIPT = """\
transcript: 1
agent: agent.yaml
turns:
- id: t
  user: Go.
  answers:
    ask_user:
    - one
    - two
  expect: [{contains: Done}]
"""


def recorded(folder: Path, answers: str, replies: str) -> tuple[list[Finding], list[Finding]]:
    """What record found, and then a replay."""
    (folder / "agent.yaml").write_text(AGENT + replies)
    (folder / "tools.py").write_text(TOOLS)
    file = folder / "case.transcript.yaml"
    file.write_text(
        SCRIPT.replace("    - one\n    - two\n", "".join(f"    - {answer}\n" for answer in answers.split()))
    )
    transcript, context = load_transcript(file), RunContext(offline=False, trust=True)
    live = run_transcript(transcript, context)
    write_recording(transcript, live.recording, redactor_for(context.agent(transcript), transcript))
    transcript = load_transcript(file)
    replayed = replay_recording(transcript, transcript.recordings[0], RunContext(trust=True))
    return [*live.outcome.findings], [*replayed.findings]


def told(findings: list[Finding]) -> list[tuple[str, str, int]]:
    return [(each.level, each.what, each.location.line) for each in findings]


@pytest.mark.parametrize(
    ("answers", "line"), [("one two", 9), ("one two three", 9), ("one one", 9)], ids=lambda value: str(value)
)
def test_an_answer_too_many_fails_at_its_line(tmp_path: Path, answers: str, line: int) -> None:
    live, replayed = recorded(tmp_path, answers, ASKS)
    unasked = answers.split()[1:]
    expected = [
        ("fail", f'answers.ask_user: nothing asked for the answer "{answer}"', line + number)
        for number, answer in enumerate(unasked)
    ]
    assert told(live) == expected
    assert told(replayed) == expected


@pytest.mark.parametrize("replies", [ASKS, CODE_ASKS], ids=["the built-in", "code, whose result is recorded"])
def test_answers_that_were_asked_for_hold(tmp_path: Path, replies: str) -> None:
    assert recorded(tmp_path, "one", replies) == ([], [])


def test_a_turn_by_hand_that_breaks_off_leaves_answers_over(tmp_path: Path) -> None:
    recorded(tmp_path, "one", ASKS)
    file = tmp_path / "case.transcript.yaml"
    with file.open("a") as text:
        text.write("---\nrecording: hand/down\nturns: {t: [{reply: {error: {status: 401}}}]}\nexpect: [{exit: 4}]\n")
    transcript = load_transcript(file)
    by_hand = transcript.recording("hand/down")
    assert by_hand is not None
    findings = replay_recording(transcript, by_hand, RunContext()).findings
    assert not [each for each in findings if each.kind == "left-over"]
