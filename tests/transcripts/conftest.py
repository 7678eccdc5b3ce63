"""A conversation to record, replay and break: a scripted agent with a tool, and its transcript."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.transcripts.conversation.run_context import RunContext, redactor_for
from runner.transcripts.files.loader import load_transcript
from runner.transcripts.model import Recording, Transcript
from runner.transcripts.outcome import Outcome
from runner.transcripts.recording.live_run import run_transcript
from runner.transcripts.recording.recording_writer import write_recording
from runner.transcripts.replaying.replay import replay_recording

AGENT = """\
gateway: scripted
model: demo
options: {temperature: 0.2}
system_prompt: |
  You are a calendar.
  Be {{ manner }}.
variables: {manner: kind}
tools: [resolve_date]
script:
- calls: [{resolve_date: {date: next Friday}}, {resolve_date: {date: tomorrow}}]
  usage: {input: 20, output: 5}
- text: "The meetup is on March 13; tomorrow is March 6."
  usage: {input: 40, output: 9}
- text: '{"date": "2026-03-13"}'
  usage: {input: 60, output: 7}
"""

SCRIPT = """\
transcript: 1
agent: agent.yaml
clock: "2026-03-05T09:30:00-05:00"   # a Thursday
turns:
- id: plan
  user: When is the meetup, and when is tomorrow?
  expect:
  - tools:
      mode: in_order
      calls:
      - resolve_date: {date: next Friday}
        returned: {date: "2026-03-13"}
      - resolve_date: {date: tomorrow}
        with_previous: true
  - contains: {all: [March 13, March 6]}
- id: as_json
  user: Give me that as JSON.
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One folder with an agent and a transcript."""

    folder: Path

    @property
    def agent(self) -> Path:
        return self.folder / "agent.yaml"

    @property
    def file(self) -> Path:
        return self.folder / "case.transcript.yaml"

    def load(self) -> Transcript:
        return load_transcript(self.file)

    def record(self) -> Recording:
        """Hold the conversation with the scripted gateway, and write it down."""
        transcript = self.load()
        context = RunContext(offline=False, trust=True)
        recording = run_transcript(transcript, context).recording
        write_recording(transcript, recording, redactor_for(context.agent(transcript), transcript))
        return recording

    def replay(self, **options: object) -> Outcome:
        """The outcome of the file's first recording."""
        transcript = self.load()
        context = RunContext(trust=bool(options.pop("trust", False)))
        return replay_recording(transcript, transcript.recordings[0], context, **options)  # type: ignore[arg-type]

    def change(self, path: Path, old: str, new: str, count: int = -1) -> None:
        """Edit a file; what is to be changed has to be there."""
        text = path.read_text("utf-8")
        assert old in text, f"{old!r} is not in {path.name}"
        path.write_text(text.replace(old, new, count), "utf-8")


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """An agent and its transcript, not recorded yet."""
    made = Case(tmp_path)
    made.agent.write_text(AGENT)
    made.file.write_text(SCRIPT)
    return made


@pytest.fixture
def recorded(case: Case) -> Case:
    """The same, recorded."""
    case.record()
    return case
