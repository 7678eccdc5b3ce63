"""The examples teach: all replay green, none claims what no model said, and each expectation can be broken."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runner.commands.check_mutations import unbreakable
from runner.transcripts.files.check import check_file
from runner.transcripts.files.loader import load_transcript
from runner.transcripts.suite.discovery import find_transcripts
from runner.transcripts.suite.run import run
from runner.transcripts.suite.selection import Selection

EXAMPLES = Path(__file__).parents[2] / "examples"
OFFLINE = find_transcripts([EXAMPLES])
FILES = [*OFFLINE, EXAMPLES / "python_check" / "check.yaml"]
FOLDERS = sorted(path for path in EXAMPLES.iterdir() if path.is_dir())


@pytest.mark.parametrize("trust", [False, True])
def test_all_are_green(trust: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What needs no trust gives the same with it."""
    monkeypatch.setenv("AGENT_RUN_STATE_HOME", str(tmp_path))
    files = FILES if trust else OFFLINE
    outcomes = list(run(files, Selection(trust=trust)))
    assert len(outcomes) >= len(files) > 5
    assert {outcome.name: outcome.verdict for outcome in outcomes if outcome.verdict != "pass"} == {}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_says_what_it_shows_and_is_sound(file: Path) -> None:
    assert check_file(file) == []
    assert load_transcript(file).about
    assert unbreakable([file], trust=True) == ([], 0)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_no_model_said_is_marked(file: Path) -> None:
    for recording in load_transcript(file).recordings:
        written = recording.request is not None and recording.recorded and not recording.edited
        assert recording.by_hand is not written


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_folder_tells_what_it_shows_in_three_lines(folder: Path) -> None:
    title, _, *lines = (folder / "README.md").read_text(encoding="utf-8").splitlines()
    assert title.startswith("# ")
    assert len(lines) == 3
    assert f"examples/{folder.name}" in lines[1]
    assert f"[{folder.name}]({folder.name}/README.md)" in (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert list(folder.glob("*.transcript.yaml")) or list(folder.glob("*.py"))  # a transcript, or a program


def test_the_program_runs() -> None:
    program = [sys.executable, EXAMPLES / "python_api" / "chat.py"]
    done = subprocess.run(program, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.startswith("It has six words.\nOnce upon a time there was a short story.\nuser text ")
