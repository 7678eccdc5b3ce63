"""Whatever text a model or a tool gives, its recording replays, and reads the same in YAML 1.1."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.transcripts.conversation.run_context import RunContext
from runner.transcripts.files.loader import load_transcript
from runner.transcripts.recording.live_run import run_transcript
from runner.transcripts.recording.recording_writer import write_recording
from runner.transcripts.redaction import Redactor
from runner.transcripts.replaying.replay import replay_recording
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
        "tools": [{"python": {"function": "./tools.py:echo", "effects": "read"}}],
        "script": [
            {"text": text, "calls": [{"echo": {"value": arguments}}], "finish": "tool_calls"},
            {"text": f"{text}."},
        ],
    }
    (folder / "agent.yaml").write_text(yaml.dump(agent, Dumper=Quoting, width=10**9))
    file = folder / "it.transcript.yaml"
    file.write_text(json.dumps({"transcript": 1, "agent": "agent.yaml", "turns": [{"id": "t", "user": "Go."}]}))
    transcript = load_transcript(file)
    write_recording(transcript, run_transcript(transcript, RunContext(offline=False, trust=True)).recording, Redactor())
    return file


def green(file: Path) -> None:
    transcript = load_transcript(file)
    outcome = replay_recording(transcript, transcript.recordings[0], RunContext(trust=True))
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
