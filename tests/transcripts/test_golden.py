"""The golden set: what an edit of an agent, a script, a recording or a tool does to the verdict of a replay, as data.

`golden/CASE/` holds an agent and its transcript, which `record` records before the first test. Its `rows.yaml` lists
edits, each of one file: [file, old text, new text, verdict, exit code, phrase of the report]; `script` and `recording`
stand for the two halves of the transcript. `red` rows must be noticed, `green` ones (without the last three) must not,
and after an edit of `idle` nothing is judged any more, which must not pass for green.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from golden_cases import SETTINGS, Row, edited, record_cases, replayed, rows_of
from golden_edits import random_edit
from thoroughness import examples

ROWS = {section: rows_of(section) for section in ("red", "green", "idle")}
ALL = [row for rows in ROWS.values() for row in rows]
BATCHES = 20
SLOWEST = 5
"""Seconds that one replay of a case may take on a busy machine."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all cases, recorded; nothing is where CI is set."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CI", raising=False)
        return record_cases(tmp_path_factory.mktemp("golden"))


@pytest.fixture
def folder(recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, away from the user's own configuration."""
    for kind in ("CONFIG", "STATE", "CACHE"):
        monkeypatch.setenv(f"AGENT_RUN_{kind}_HOME", str(tmp_path / kind))
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def copied(recorded: Path, case: str, folder: Path) -> Path:
    """A copy of the case, which becomes the current folder."""
    copy = folder / case
    shutil.copytree(recorded / case, copy)
    os.chdir(copy)
    return copy


def test_the_table_is_as_large_as_it_should_be():
    assert (len(ROWS["red"]) >= 300, len(ROWS["green"]) >= 130, len(ROWS["idle"]) >= 40) == (True, True, True)
    assert len({(*row[:4], *row.arguments) for row in ALL}) == len(ALL)


@pytest.mark.parametrize("case", SETTINGS)
def test_without_an_edit_a_case_is_green(recorded: Path, folder: Path, case: str):
    result = replayed(copied(recorded, case, folder), case)
    assert (set(result.verdicts), result.code) == ({"pass"}, 0), result.said


SLOW = pytest.mark.slow
EVERY = 10
"""One of so many rows and batches is in the default run."""


@pytest.mark.parametrize(
    "row", [pytest.param(row, id=row.id, marks=[SLOW] if number % EVERY else []) for number, row in enumerate(ALL)]
)
def test_an_edit_gives_its_verdict(recorded: Path, folder: Path, row: Row):
    copy = copied(recorded, row.case, folder)
    edited(copy, row)
    result = replayed(copy, row.case, row.arguments)
    assert (result.verdict, result.code) == (row.verdict, row.code), result.said
    assert row.phrase in result.said
    assert "Traceback" not in result.said


@pytest.mark.slow
@pytest.mark.parametrize("row", ALL[:: len(ALL) // 12], ids=[row.id for row in ALL[:: len(ALL) // 12]])
def test_the_command_line_gives_the_same(recorded: Path, folder: Path, row: Row):
    """A sample in processes of their own, with two workers and optimized, since neither may change a verdict."""
    copy = copied(recorded, row.case, folder)
    edited(copy, row)
    arguments = ["replay", "-j", "2", *SETTINGS[row.case].get("replay", ()), *row.arguments, "."]
    done = subprocess.run(
        [sys.executable, "-m", "runner", *arguments],
        env=os.environ | {"PYTHONOPTIMIZE": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == row.code, done.stdout + done.stderr
    assert row.phrase in done.stdout + done.stderr


@pytest.mark.parametrize("batch", [pytest.param(n, marks=[SLOW] if n % EVERY else []) for n in range(BATCHES)])
def test_no_random_edit_is_judged_wrongly(recorded: Path, folder: Path, batch: int):
    """2,000 in a full run, always the same ones: what the model sees, or what is judged, is never changed unnoticed."""
    chance = random.Random(batch)
    for number in range(examples(2000 // BATCHES)):
        case = chance.choice(list(SETTINGS))
        copy = copied(recorded, case, folder / str(number))
        edit = random_edit(copy, chance)
        started = time.monotonic()
        result = replayed(copy, case)
        assert time.monotonic() - started < SLOWEST, edit
        assert (result.code == 0) == edit.harmless, f"{edit}\n{result.said}"
        assert result.code != 70, f"{edit}\n{result.said}"
        assert "Traceback" not in result.said
        shutil.rmtree(folder / str(number))
