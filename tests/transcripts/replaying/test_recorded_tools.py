"""verify, stub, execute, forbid; and the person who answers in between."""

from __future__ import annotations

import pytest

from runner.core.errors import Denied
from runner.transcripts.exit_codes import exit_code

TOOL = """\
from pathlib import Path

def count() -> int:
    '''Count the calls.'''
    file = Path(__file__).with_name("calls.txt")
    number = int(file.read_text()) + 1 if file.exists() else 1
    file.write_text(str(number))
    return number
"""
AGENT = """\
gateway: scripted
model: demo
tools: [{python: {function: './tools.py:count', effects: EFFECTS}}]
permissions: {allow: [count]}
script: [{calls: [{count: {}}]}, {text: Counted.}]
"""
SCRIPT = "transcript: 1\nagent: agent.yaml\nturns:\n- id: t\n  user: Count.\n  expect: [{contains: Counted}]\n"


def counted(case, effects: str = "none", mode: str = ""):
    """The case with a tool that remembers how often it ran."""
    (case.folder / "tools.py").write_text(TOOL)
    case.agent.write_text(AGENT.replace("EFFECTS", effects))
    modes = f"tools: {{count: {mode}}}\n" if mode else ""
    approval = "  answers: {approve: [count]}\n" if effects == "write" else ""
    case.file.write_text(SCRIPT.replace("turns:", f"{modes}turns:").replace("  expect:", f"{approval}  expect:"))
    case.record()
    return case


def runs(case) -> int:
    return int((case.folder / "calls.txt").read_text())


@pytest.mark.parametrize(
    ("effects", "mode", "verdict", "ran", "changed"),
    [
        ("none", "", "tool-drift", 2, set()),
        ("write", "", "pass", 1, set()),
        ("none", "stub", "pass", 1, set()),
        ("write", "verify", "tool-drift", 2, set()),
        ("write", "execute", "stale", 2, {"messages"}),
        ("none", "forbid", "fail", 1, set()),
    ],
)
def test_a_mode_says_whether_the_tool_runs_and_what_the_model_reads(
    case, effects: str, mode: str, verdict: str, ran: int, changed: set[str]
) -> None:
    outcome = counted(case, effects, mode).replay(trust=True)
    assert (outcome.verdict, runs(case)) == (verdict, ran)
    assert {change.component for change in outcome.changes} == changed


def test_drift_is_told_with_both_results(case) -> None:
    outcome = counted(case).replay(trust=True)
    assert (outcome.findings[0].kind, outcome.findings[0].diff) == ("tool-drift", "!count: wanted 1, got 2")
    assert exit_code([outcome]) == 1


ASKING = """\
gateway: scripted
model: demo
tools: [ask_user]
script: [{calls: [{ask_user: {question: Which colour?}}]}, {text: Noted.}]
"""


def asked(case, answers: str) -> None:
    case.agent.write_text(ASKING)
    answers = f"  answers: {{ask_user: {answers}}}\n" if answers else ""
    case.file.write_text(f"transcript: 1\nagent: agent.yaml\nturns:\n- id: t\n  user: Ask me.\n{answers}")


def test_what_the_user_answers_stands_in_the_script(case) -> None:
    asked(case, "[blue]")
    recording = case.record()
    assert recording.turns["t"][0].calls[0].returned == "blue"
    assert case.replay().verdict == "pass"


def test_a_question_that_nobody_answers_fails_the_turn_and_does_not_hang(case) -> None:
    asked(case, "[blue]")
    case.record()
    case.change(case.file, "  answers: {ask_user: [blue]}\n", "")
    outcome = case.replay()
    assert outcome.verdict == "fail"
    assert outcome.findings[0].what == "nobody answers: Which colour?"


def test_what_the_user_no_longer_approves_is_refused(case) -> None:
    counted(case, "write")
    case.change(case.agent, "permissions: {allow: [count]}\n", "")
    assert case.replay(trust=True).verdict == "pass"
    case.change(case.file, "approve: [count]", "approve: []")
    outcome = case.replay(trust=True)
    assert outcome.verdict == "fail"
    told = f"the recorded call of count (call 1 of reply 1) never reached its tool (t, reply 1: {case.file}:"
    assert outcome.findings[0].what.startswith(told)


def test_recording_again_without_a_word_gives_what_the_tool_gave_before(case) -> None:
    counted(case, "write")
    before = [line for line in case.file.read_text().splitlines() if "answers" not in line and "recorded:" not in line]
    case.change(case.file, "  answers: {approve: [count]}\n", "")
    case.record()
    assert runs(case) == 1
    assert [line for line in case.file.read_text().splitlines() if "recorded:" not in line] == before


def test_a_tool_that_never_acted_has_no_part_to_play(case) -> None:
    counted(case, "write")
    case.file.write_text(case.file.read_text().partition("---\n")[0].replace("approve: [count]", "approve: []"))
    with pytest.raises(Denied, match="needs somebody to say yes"):
        case.record()
    assert runs(case) == 1
