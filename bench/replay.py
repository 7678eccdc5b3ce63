"""Replays of 1,000 three-turn transcripts against merely loading their YAML with PyYAML's C loader.

Both are measured in the same run, by turns; the target is a ratio of at most 3 on one process.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

import yaml

from bench.measure import against, process, tell
from runner.transcripts.conversation.run_context import RunContext
from runner.transcripts.files.loader import load_transcript
from runner.transcripts.recording.live_run import run_transcript
from runner.transcripts.recording.recording_writer import write_recording
from runner.transcripts.redaction import Redactor
from runner.transcripts.suite.discovery import find_transcripts
from runner.transcripts.suite.run import run as replay_all
from runner.transcripts.suite.selection import Selection

AGENT = """\
gateway: scripted
model: demo
system_prompt: You are a helpful assistant that knows the calendar.
options: {temperature: 0.2}
tools: [resolve_date]
script:
- {calls: [{resolve_date: {date: next Friday}}], usage: {input: 120, output: 12}}
- {text: "Next Friday is March 13, 2026; I have noted the meetup for that day.", usage: {input: 160, output: 21}}
- {text: "It is a Thursday today, so there are eight days left until then.", usage: {input: 190, output: 18}}
- {text: '{"date": "2026-03-13", "weekday": "Friday"}', usage: {input: 220, output: 16}}
"""

TRANSCRIPT = """\
transcript: 1
agent: agent.yaml
about: A date is resolved, explained and given as JSON.
tags: [bench]
clock: "2026-03-05T09:30:00-05:00"
tools: {resolve_date: stub}
turns:
- id: plan
  user: Put the meetup on next Friday.
  expect:
  - tools: {mode: in_order, calls: [{resolve_date: {date: {$icontains: friday}}, returned: {date: "2026-03-13"}}]}
  - contains: March 13
  - budget: {calls: 2, tool_calls: 1}
- id: days
  user: How many days are left?
  expect:
  - regex: '(eight|8) days'
- id: as_json
  user: Give me that as JSON.
  expect:
  - json: {at: {$.date: "2026-03-13"}}
finally:
- budget: {in_tokens: 1000}
"""


def build(folder: Path, count: int) -> list[Path]:
    """One conversation, recorded, as often as wanted."""
    (folder / "agent.yaml").write_text(AGENT)
    first = folder / "0000.transcript.yaml"
    first.write_text(TRANSCRIPT)
    transcript = load_transcript(first)
    write_recording(transcript, run_transcript(transcript, RunContext(offline=False)).recording, Redactor())
    text = first.read_text()
    for number in range(1, count):
        (folder / f"{number:04}.transcript.yaml").write_text(text.replace("A date", f"In conversation {number} a date"))
    return find_transcripts([folder])


def load(files: list[Path]) -> float:
    """Seconds to load every file's YAML with the C loader."""
    started = time.perf_counter()
    for file in files:
        with file.open("rb") as stream:
            list(yaml.load_all(stream, Loader=yaml.CSafeLoader))
    return time.perf_counter() - started


def replay(files: list[Path], jobs: int = 1) -> float:
    """Seconds to replay every file; all of them have to pass."""
    started = time.perf_counter()
    verdicts = {outcome.verdict for outcome in replay_all(files, Selection(), jobs=jobs)}
    if verdicts != {"pass"}:
        raise SystemExit(f"not all passed: {verdicts}")
    return time.perf_counter() - started


def run(count: int = 1000, rounds: int = 3) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        files = build(Path(folder), count)
        rows = [(load(files), replay(files), replay(files, jobs=2)) for _ in range(rounds)]
        floor, shot = against(process("-c", "import click, yaml"), process("-m", "runner", "replay", str(files[0])))
    loading, alone, paired = (median(column) for column in zip(*rows, strict=True))
    print(f"  load {count} files with the C loader   {loading:.2f} s")
    print(f"  replay, one process            {alone:.2f} s   {count / alone:.0f}/s   {alone / loading:.2f} × loading")
    print(f"  replay, two processes          {paired:.2f} s   {count / paired:.0f}/s   {alone / paired:.2f} × faster")
    tell("replay of one transcript / import click, yaml", shot, floor, 2.5)


if __name__ == "__main__":
    run()
