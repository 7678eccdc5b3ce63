"""A recording is put into its file, and nothing else in the file changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.core.errors import AgentRunError, UsageError
from runner.transcripts.files.documents import split_documents, write_atomically
from runner.transcripts.files.recording_yaml import recording_document
from runner.transcripts.recording.recording_writer import write_recording
from runner.transcripts.redaction import Redactor


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


def test_what_survives_the_redaction_is_refused(recorded) -> None:
    before = recorded.file.read_bytes()
    transcript = recorded.load()
    late = Redactor({"env:LATE": "March 13"})
    with pytest.raises(UsageError, match="would hold a secret: env:LATE"):
        write_recording(transcript, transcript.recordings[0], late)
    assert recorded.file.read_bytes() == before


def test_documents_without_text_are_still_documents(recorded) -> None:
    transcript = recorded.load()
    assert recording_document(transcript.recordings[0]).startswith("---\n# Written by `agent-run record`")
