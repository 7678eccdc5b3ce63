"""The examples teach: all replay green, none claims what no model said, and each expectation can be broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.commands.mutations import unbreakable
from runner.transcripts.files.check import check_file
from runner.transcripts.files.loader import load_transcript
from runner.transcripts.suite.run import Choice, find_transcripts, run

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = find_transcripts([EXAMPLES, EXAMPLES / "trusted" / "python.yaml"])


def test_all_are_green() -> None:
    outcomes = list(run(FILES, Choice(trust=True)))
    assert len(outcomes) >= len(FILES) > 5
    assert {outcome.name: outcome.verdict for outcome in outcomes if outcome.verdict != "pass"} == {}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_says_what_it_shows_and_is_sound(file: Path) -> None:
    assert check_file(file) == []
    assert load_transcript(file).about
    assert unbreakable([file], trust=True) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_no_model_said_is_marked(file: Path) -> None:
    for recording in load_transcript(file).recordings:
        written = recording.request is not None and recording.recorded and not recording.edited
        assert recording.by_hand is not written
