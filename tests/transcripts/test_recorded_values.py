"""What was recorded is a value: it is compared by equality, whatever its keys; matchers live in the script alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner.config.loader import load_agent
from runner.engine.session import ChatSession
from runner.transcripts.conversation.run_context import RunContext
from runner.transcripts.files.blobs import escaped_references
from runner.transcripts.files.documents import split_documents
from runner.transcripts.files.expectation_edits import renew_expectations
from runner.transcripts.files.loader import load_transcript
from runner.transcripts.files.recording_yaml import recording_document
from runner.transcripts.recording.chat_recorder import ChatRecorder
from runner.transcripts.replaying.replay import replay_recording

ODD = [
    {"$ignore": True},
    {"$regex": "x"},
    {"$any": []},
    {"a": {"$literal": {"$blob": "x"}}},
    [{"$len": {"$range": [0, None]}}],
    {"$date": ["2026-03-13"]},
    {"$regex": "(a+)+$", "b": "{{ x }}"},
]


def agent_with_tool(case: Any, returned: Any) -> None:
    tool = f"def odd(value: dict) -> object:\n    '''Odd.'''\n    return {returned!r}\n"
    (case.folder / "tools.py").write_text(tool)
    calls = json.dumps([{"odd": {"value": {"$ignore": True, "text": "{{ y }}"}}}])
    case.agent.write_text(
        "gateway: scripted\nmodel: demo\ntools: [{python: {function: './tools.py:odd', effects: none}}]\n"
        f"script: [{{calls: {calls}}}, {{text: A}}]\n"
    )
    case.file.write_text("transcript: 1\nagent: agent.yaml\nturns: [{id: t, user: Go.}]\n")


@pytest.mark.parametrize("returned", ODD, ids=json.dumps)
def test_a_result_is_equal_to_itself_alone(case: Any, returned: Any) -> None:
    agent_with_tool(case, returned)
    case.record()
    assert "$literal" in case.file.read_text()
    assert case.replay(trust=True).verdict == "pass"
    for other in ("anything", {"b": 1}, [], None, ODD[0] if returned != ODD[0] else ODD[1]):
        case.change(case.folder / "tools.py", "return ", "return " + repr(other) + "  # ")
        assert case.replay(trust=True).verdict == "tool-drift", other


def test_a_chat_expects_the_arguments_of_a_call_as_values(case: Any) -> None:
    agent_with_tool(case, {"$ignore": True})
    agent = load_agent(case.agent)
    recorder = ChatRecorder(case.folder / "chat.transcript.yaml", agent)
    with ChatSession.from_agent(agent, trust=True, clock=recorder.clock, wrap=recorder.wrap) as session:
        for event in session.send("Go."):
            recorder.observe(event)
    path = recorder.write()
    transcript = load_transcript(path)
    context = RunContext(trust=True)
    assert replay_recording(transcript, transcript.recordings[0], context).verdict == "pass"
    script, *recordings = split_documents(path.read_text())
    path.write_text(script.replace("ignore': true", "ignore': false") + "".join(recordings))
    transcript = load_transcript(path)
    assert replay_recording(transcript, transcript.recordings[0], context).verdict == "fail"


def test_a_text_that_is_put_into_the_script_is_no_template_there(case: Any) -> None:
    case.change(case.agent, '\'{"date": "2026-03-13"}\'', "'{{ no }} {% template %} {# here #}'")
    case.change(case.file, "  user: Give me that as JSON.\n", "  user: Give me that.\n  expect: [text: another]\n")
    case.record()
    outcome = case.replay()
    assert outcome.verdict == "fail"
    assert renew_expectations(case.file, outcome.findings) == 1
    assert case.replay().verdict == "pass"


def test_recording_an_unchanged_conversation_keeps_the_spelling_of_an_older_version(case: Any) -> None:
    agent_with_tool(case, {"$regex": "a.*"})
    case.record()
    transcript = case.load()
    older = recording_document(transcript.recordings[0], escape=escaped_references)
    script = split_documents(case.file.read_text())[0]
    case.file.write_text(script + older)
    case.record()
    assert undated(case.file.read_text()) == undated(script + older)
    case.change(case.folder / "tools.py", "a.*", "b.*")
    case.record()
    assert "returned: {'$literal': {'$regex': 'b.*'}}" in case.file.read_text()


def undated(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("recorded:") and "ms: [" not in line]
