"""What a machine wrote and people changed: told as an edit, or refused where it is called written by hand."""

from __future__ import annotations

import re
from typing import Any

import pytest

from runner.core.errors import ConfigError

EDITS = {
    "a description": ("Resolve a date expression", "Resolve an expression"),
    "a signature": (r"sig: '[^']+'", "sig: '(day: string)'"),
    "a hash": (r"is: '?[0-9a-f]{8}'?", "is: 5e0c12aa"),
    "a schema": (r'\\?"type\\?":\\?"string\\?"', '"type":"number"'),
    "no schema": (r", schema: '[^\n]*'}", ", schema: '[]'}"),
    "a tool's name": (r"    resolve_date: \{sig", "    resolve_data: {sig"),
    "the system prompt": (r"You are a calendar", "You are a clock"),
    "an option": (r"temperature: 0.2", "temperature: 0.3"),
}


def edit(case: Any, pattern: str, new: str) -> None:
    script, _, recording = case.file.read_text("utf-8").partition("---\n")
    changed, count = re.subn(pattern, lambda match: new, recording, count=1)
    assert count == 1, recording
    case.file.write_text(f"{script}---\n{changed}", "utf-8")


def test_what_was_recorded_is_no_edit(recorded: Any) -> None:
    assert not recorded.load().recordings[0].edited


@pytest.mark.parametrize(("pattern", "new"), EDITS.values(), ids=EDITS.keys())
def test_an_edit_of_the_request_is_told(recorded: Any, pattern: str, new: str) -> None:
    edit(recorded, pattern, new)
    assert recorded.load().recordings[0].edited
    assert [change.component for change in recorded.replay().changes][:1] == ["recording"]


def test_a_recording_that_is_renamed_is_not_by_hand(recorded: Any) -> None:
    edit(recorded, "recording: scripted/demo", "recording: hand/demo")
    with pytest.raises(ConfigError) as raised:
        recorded.load()
    (problem,) = raised.value.problems
    line = recorded.file.read_text("utf-8").splitlines()[problem.line - 1]
    assert line.startswith("request:")
    assert "delete request:" in problem.hint


def test_what_the_message_says_makes_it_one_by_hand(recorded: Any) -> None:
    edit(recorded, "recording: scripted/demo", "recording: hand/demo")
    edit(recorded, r"request:\n(?:  [^\n]*\n)+", "")
    assert recorded.load().recordings[0].by_hand
