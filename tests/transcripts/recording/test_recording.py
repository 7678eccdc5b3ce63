"""What is recorded comes back as it was, nothing else in the file moves, and no secret stays in it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.errors import AgentRunError, Denied, RateLimited, UsageError
from runner.transcripts.files.documents import split_documents, write_atomically
from runner.transcripts.files.loader import load_transcript
from runner.transcripts.files.recording_yaml import recording_document
from runner.transcripts.recording.live_run import run_transcript
from runner.transcripts.recording.recording_writer import write_recording
from runner.transcripts.redaction import Redactor
from runner.transcripts.replaying.replay import replay
from runner.transcripts.reports import FORMATS, Run, renderer
from runner.transcripts.suite.shared import Stage, redactor_for
from thoroughness import examples

HOSTILE = [
    "tab\tand bell\x07 and nul-ish \x01",
    "next line \x85 and line separator \u2028 and paragraph \u2029",
    "carriage \r alone, and \r\n both",
    "trailing spaces   \nand lines   \n",
    "emoji 😀 and combining e\u0301 and RTL \u202e",
    "---\nrecording: openai/gpt\nturns: {}\n...\n",
    "yes",
    "1e3",
    "0o17",
    "2026-03-05",
    "{a: b}",
    "- a\n- b",
    "# no comment",
    "&anchor *alias !tag",
    "'single' \"double\" \\back",
    "   leading",
    "\n\nleading lines",
    "\ufeffbom",
    "{{ not_a_template }} {% raw %}",
    "\x7f\x9f\ufffe",
]


class Quoting(yaml.SafeDumper):
    """Quotes every text, so that no reader of YAML can take it for something else."""

    def represent_text(self, text: str) -> yaml.Node:
        return self.represent_scalar("tag:yaml.org,2002:str", text, style='"')


Quoting.add_representer(str, Quoting.represent_text)


def conversation(folder: Path, text: str, arguments: dict[str, object]) -> Path:
    """A recorded conversation in which everything hostile that can be said is said."""
    tool = "def echo(value: dict) -> dict:\n    '''Give it back.'''\n    return value\n"
    (folder / "tools.py").write_text(tool)
    agent = {
        "gateway": "scripted",
        "model": "demo",
        "tools": [{"python": "./tools.py:echo"}],
        "script": [
            {"text": text, "calls": [{"echo": {"value": arguments}}], "finish": "tool_calls"},
            {"text": f"{text}."},
        ],
    }
    (folder / "agent.yaml").write_text(yaml.dump(agent, Dumper=Quoting, width=10**9))
    file = folder / "it.transcript.yaml"
    file.write_text(json.dumps({"transcript": 1, "agent": "agent.yaml", "turns": [{"id": "t", "user": "Go."}]}))
    transcript = load_transcript(file)
    write_recording(transcript, run_transcript(transcript, Stage(offline=False, trust=True)).recording, Redactor())
    return file


def green(file: Path) -> None:
    transcript = load_transcript(file)
    outcome = replay(transcript, transcript.recordings[0], Stage(trust=True))
    assert outcome.verdict == "pass", (outcome.findings, outcome.changes)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_green(tmp_path: Path, text: str) -> None:
    green(conversation(tmp_path, text, {text or "k": [text, 1, 1.5, None, True]}))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=examples(40), deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6), json_values, max_size=3),
)
def test_any_text_and_any_arguments_are_green(text: str, arguments: dict[str, object]) -> None:
    if "${" in text or "${" in json.dumps(arguments):
        return  # the agent file's own substitution
    with TemporaryDirectory() as folder:
        green(conversation(Path(folder), text, arguments))


def test_a_recording_is_the_same_in_yaml_1_1(recorded) -> None:
    text = recorded.file.read_text()
    assert list(yaml.safe_load_all(text)) == [doc.value for doc in _documents(recorded.file)]


def _documents(path: Path):
    from runner.config.yaml.parser import load_documents

    return load_documents(path)


def test_recording_again_changes_no_byte_but_the_date(recorded) -> None:
    def undated() -> list[str]:
        return [line for line in recorded.file.read_text().splitlines() if not line.startswith("recorded:")]

    before = undated()
    recorded.record()
    assert undated() == before


def test_the_script_and_what_people_wrote_keep_every_byte(case) -> None:
    turns = "turns: {plan: [{reply: {finish: length}, text: Do}]}\n"
    hand = f"---\n# By hand: never touched.\nrecording: hand/cut   # a comment\n{turns}"
    script = case.file.read_text() + "# the last word"
    case.file.write_bytes((script + "\n" + hand).encode())
    case.record()
    parts = split_documents(case.file.read_text())
    assert parts[:2] == (script + "\n", hand)
    case.record()
    assert split_documents(case.file.read_text())[:2] == parts[:2]
    assert len(split_documents(case.file.read_text())) == 3


def test_a_file_with_crlf_stays_one(case) -> None:
    case.file.write_bytes(case.file.read_bytes().replace(b"\n", b"\r\n"))
    case.record()
    text = case.file.read_bytes()
    assert text.count(b"\n") == text.count(b"\r\n")
    assert case.replay().verdict == "pass"


def test_a_crash_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(file, "new \ud800")
    assert (file.read_text(), list(tmp_path.iterdir())) == ("old", [file])


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


def test_long_texts_go_to_blobs_and_come_back(case) -> None:
    case.change(case.agent, "The meetup is on March 13; tomorrow is March 6.", "March 13, March 6. " + "word " * 2000)
    case.record()
    (blob,) = (case.folder / ".blobs").iterdir()
    assert blob.read_text().startswith("March 13, March 6. word")
    assert "word word" not in case.file.read_text().partition("---\n")[2]
    assert case.replay().verdict == "pass"
    blob.write_text("something else")
    with pytest.raises(AgentRunError, match="was changed: its name no longer fits"):
        case.replay()


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
        "tools: [{python: './tools.py:leak'}, {python: './tools.py:fail'}]\n"
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


def test_what_survives_the_redaction_is_refused(recorded) -> None:
    before = recorded.file.read_bytes()
    transcript = recorded.load()
    late = Redactor({"env:LATE": "March 13"})
    with pytest.raises(UsageError, match="would hold a secret: env:LATE"):
        write_recording(transcript, transcript.recordings[0], late)
    assert recorded.file.read_bytes() == before


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


def test_the_redactor_of_a_stage_knows_what_the_agent_resolved(recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "a-rather-long-value")
    transcript = recorded.load()
    mask = redactor_for(Stage().agent(transcript), transcript)
    assert mask("x a-rather-long-value") == "x «env:SOME_API_KEY»"


def test_documents_without_text_are_still_documents(recorded) -> None:
    transcript = recorded.load()
    assert recording_document(transcript.recordings[0]).startswith("---\n# Written by `agent-run record`")


def test_the_model_that_answers_in_the_end_is_the_one_recorded(case) -> None:
    case.change(
        case.agent,
        "gateway: scripted\nmodel: demo\n",
        "gateway: dead\nmodel: m\ngateways: {dead: {dialect: ollama, url: 'http://127.0.0.1:9'}}\n"
        "fallback: [{gateway: scripted, model: demo}]\n",
    )
    recording = case.record()
    assert recording.name == "scripted/demo"
    assert [len(replies) for replies in recording.turns.values()] == [2, 1]
    outcome = case.replay()
    assert (outcome.verdict, outcome.changes) == ("pass", ())


def test_a_turn_that_wants_what_no_answer_gave_is_not_recorded(case) -> None:
    case.change(case.file, "  - contains:", "  - regex: 'number (?P<number>\\d+)'\n  - contains:")
    case.change(case.file, "user: Give me that as JSON.", "user: What is {{ number }}?")
    run = run_transcript(case.load(), Stage(offline=False))
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


def test_a_canary_is_in_no_report(case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMINDER_TOKEN", CANARY)
    case.change(case.agent, "The meetup is on", f"The token {CANARY} is on")
    case.change(case.file, "  - contains:", "  - text: Nothing.\n  - not: {regex: token}\n  - contains:")
    outcome = run_transcript(case.load(), Stage(offline=False)).outcome
    assert outcome.verdict == "fail"
    for form in FORMATS:
        assert CANARY not in renderer(form)(Run([outcome]))
    assert "«env:REMINDER_TOKEN»" in outcome.findings[0].diff
    case.change(
        case.agent, '- text: \'{"date"', f"- error: {{status: 401, message: 'no {CANARY}'}}\n- text: '{{\"date\""
    )
    with pytest.raises(AgentRunError) as caught:
        run_transcript(case.load(), Stage(offline=False))
    assert CANARY not in str(caught.value)
