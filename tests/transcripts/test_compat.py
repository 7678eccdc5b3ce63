"""Recordings of earlier versions replay with today's code, unchanged: `compat/` is frozen, see its README."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import warm_process

COMPAT = Path(__file__).parent / "compat"
VERSIONS = sorted(path for path in COMPAT.iterdir() if path.is_dir())
CHECKSUMS = "SHA256SUMS"
TOKEN = {"COMPAT_TOKEN": "hush-hush-4711-compat"}
# `opaque` and `servers` were recorded from servers, `json` and `text` from the embedded model, `reminder` by hand.
NOT_SCRIPTED = {"opaque", "servers", "json", "text", "reminder"}


def transcripts(folder: Path) -> list[Path]:
    """Those that a search of the folder finds, and `python.yaml`, which it leaves out."""
    return sorted([*folder.rglob("*.transcript.yaml"), *folder.rglob("trusted/python.yaml")])


def recordings(path: Path) -> list[str]:
    return re.findall(r"^recording: (\S+)$", path.read_text("utf-8"), re.MULTILINE)


def checksums(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name != CHECKSUMS
    }


def listed(folder: Path) -> dict[str, str]:
    lines = (folder / CHECKSUMS).read_text("utf-8").splitlines()
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}


def agent_run(arguments: Sequence[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command with nothing of this machine's settings and keys."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "TMPDIR", "TEMP") if name in os.environ}
    home = {"HOME": str(folder), "AGENT_RUN_CONFIG_HOME": str(folder), "AGENT_RUN_STATE_HOME": str(folder)}
    return warm_process.run(*arguments, cwd=folder, environment=kept | home | variables)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, dict[str, dict[str, Any]]]:
    """The report's cells by file and recording, all from one run."""
    files = [str(path) for version in VERSIONS for path in transcripts(version)]
    before = {version: checksums(version) for version in VERSIONS}
    run = agent_run(["replay", "--trust", "--report", "json", *files], tmp_path_factory.mktemp("replayed"))
    assert run.stdout, run.stderr
    assert {version: checksums(version) for version in VERSIONS} == before, "the replay has changed files"
    report = json.loads(run.stdout)
    found: dict[Path, dict[str, dict[str, Any]]] = {}
    for cell in report["cells"]:
        assert found.setdefault(Path(cell["file"]), {}).setdefault(cell["recording"], cell) is cell, "a cell ran twice"
    assert run.returncode == report["exit_code"]
    return found


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_the_files_are_as_they_were(version: Path) -> None:
    assert checksums(version) == listed(version), "these files are frozen: restore them, and mend the code instead"


@pytest.mark.parametrize(
    "path", [path for version in VERSIONS for path in transcripts(version)], ids=lambda p: str(p.relative_to(COMPAT))
)
def test_a_recording_replays(path: Path, cells: dict[Path, dict[str, dict[str, Any]]]) -> None:
    assert path in cells, "nothing of this file ran"
    assert list(cells[path]) == recordings(path) != []
    for name, cell in cells[path].items():
        # A cell is stale, with its changes named, as soon as one stored hash is not what the engine computes today.
        assert (name, cell["verdict"], cell["changes"]) == (name, "pass", []), json.dumps(cell, indent=2)
        assert cell["turns"] > 0
        assert cell["judged"] == cell["held"] + sum(finding["level"] == "warn" for finding in cell["findings"])


@pytest.fixture(scope="module")
def recorded_again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the newest version's files, all scripted conversations in it recorded once more."""
    folder = tmp_path_factory.mktemp("recorded")
    copy = folder / VERSIONS[-1].name
    shutil.copytree(VERSIONS[-1], copy, ignore=shutil.ignore_patterns("__pycache__"))
    files = [str(path) for path in transcripts(copy) if path.name.split(".")[0] not in NOT_SCRIPTED]
    files = [file for file in files if "examples/faults" not in file]
    agent_run(["record", "--trust", *files], folder, **TOKEN)
    for model in ("small", "another"):
        agent_run(["record", "--trust", "--model", model, str(copy / "recordings/models.transcript.yaml")], folder)
    return copy


@pytest.mark.parametrize(
    "path", transcripts(VERSIONS[-1]), ids=lambda path: str(path.relative_to(VERSIONS[-1]).as_posix())
)
def test_recording_again_changes_the_date_alone(path: Path, recorded_again: Path) -> None:
    """Every hash, `seen` and `stamp` both, and every byte around them are what today's engine writes."""
    date = re.compile(rb"(?m)^recorded: '[^']*'")
    again = (recorded_again / path.relative_to(VERSIONS[-1])).read_bytes()
    assert date.sub(b"", again) == date.sub(b"", path.read_bytes())
    dates = re.findall(date, path.read_bytes())
    if path.name.split(".")[0] not in NOT_SCRIPTED and dates:
        assert not set(dates) & set(re.findall(date, again)), "nothing was recorded"


def test_recording_again_keeps_every_other_file(recorded_again: Path) -> None:
    before = {name: digest for name, digest in checksums(VERSIONS[-1]).items() if not name.endswith(".yaml")}
    assert {name: digest for name, digest in checksums(recorded_again).items() if not name.endswith(".yaml")} == before
