"""What a search of a folder finds: no transcript is passed by because of its ending or a link."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.commands.check import check_paths
from runner.core.errors import ConfigError
from runner.transcripts.files.suite_file import SuiteFiles
from runner.transcripts.suite.discovery import find_transcripts

AGENT = "gateway: scripted\nmodel: demo\nsystem_prompt: You count.\nscript: [{text: one}]\n"
SCRIPT = "transcript: 1\nagent: agent.yaml\nturns:\n- id: ask\n  user: Count.\n"


def test_each_transcript_is_found_once_whatever_its_ending_and_by_links_too(tmp_path: Path) -> None:
    top, shared = tmp_path / "top", tmp_path / "shared"
    for folder in (top / "deep", top / ".hidden", top / "odd.transcript.yaml", shared):
        folder.mkdir(parents=True)
    for file in ("a.transcript.yaml", "b.transcript.yml", "c.TRANSCRIPT.YAML", "agent.yaml", "_suite.yaml"):
        (top / file).write_text("")
    for file in (top / "deep/d", top / ".hidden/h", top / "odd.transcript.yaml/o", shared / "s"):
        file.with_name(f"{file.name}.transcript.yaml").write_text("")
    (top / "linked").symlink_to(shared)
    (top / "again").symlink_to(top / "deep")
    (top / "up").symlink_to(tmp_path)
    (top / "ring").symlink_to(top)
    (shared / "ring").symlink_to(shared)
    (top / "nowhere.transcript.yaml").symlink_to("nowhere")
    found = [path.relative_to(top).as_posix() for path in find_transcripts([top])]
    assert found == [
        "a.transcript.yaml",
        "b.transcript.yml",
        "c.TRANSCRIPT.YAML",
        "deep/d.transcript.yaml",
        "linked/s.transcript.yaml",
        "nowhere.transcript.yaml",
        "odd.transcript.yaml/o.transcript.yaml",
    ]


def test_check_finds_what_replay_finds(tmp_path: Path) -> None:
    top, shared = tmp_path / "top", tmp_path / "shared"
    for folder in (top / "deep", top / "node_modules", shared):
        folder.mkdir(parents=True)
        (folder / "agent.yaml").write_text(AGENT)
        (folder / "Bad.Transcript.YML").write_text(SCRIPT.replace("user", "usr"))
    (top / "linked").symlink_to(shared)
    (top / "ring").symlink_to(top)
    (top / "gone.transcript.yaml").symlink_to("nowhere")
    wrong = {Path(each.path) for each in check_paths([str(top)]).diagnostics if each.severity == "error"}
    assert wrong == {*find_transcripts([top])}
    assert [path.relative_to(top).as_posix() for path in sorted(wrong)] == [
        "deep/Bad.Transcript.YML",
        "gone.transcript.yaml",
        "linked/Bad.Transcript.YML",
    ]


def test_what_cannot_be_searched_or_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "gone.yaml").symlink_to("nowhere")
    (tmp_path / ".#lock").symlink_to("someone@machine:1")
    told: list[str] = []
    assert find_transcripts([tmp_path], told.append) == []
    assert told == [f"{tmp_path / name}: not searched: the link leads nowhere" for name in ("gone", "gone.yaml")]
    assert [(each.severity, str(each)) for each in check_paths([str(tmp_path)]).diagnostics] == [
        ("warning", f"{tmp_path}/gone: warning: not searched: the link leads nowhere"),
        ("warning", f"{tmp_path}/gone.yaml: warning: not checked: no such file or directory"),
    ]


@pytest.mark.parametrize("name", ["_suite.yml", "_SUITE.yaml", "_Suite.YAML", "_suite.json", "_suite.toml"])
def test_a_suite_file_that_would_not_be_read_is_an_error(name: str, tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    (tmp_path / name).write_text("suite: 1\n")
    (below / "agent.yaml").write_text(AGENT)
    (below / "a.transcript.yaml").write_text(SCRIPT)
    with pytest.raises(ConfigError, match="this is not read as a suite file"):
        SuiteFiles().defaults(below)
    assert [each.path for each in check_paths([str(tmp_path)]).diagnostics] == [str(tmp_path / name)]
    (tmp_path / name).unlink()
    for harmless in ("_suite.yaml.orig", "_suite.md", "suite.yml", "my_suite.yml", "_suite"):
        (tmp_path / harmless).write_text("suite: 1\n")
    SuiteFiles().defaults(below)


def test_a_suite_file_that_leads_nowhere_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "_suite.yaml").symlink_to("nowhere")
    with pytest.raises(ConfigError, match="cannot be read"):
        SuiteFiles().defaults(tmp_path)
