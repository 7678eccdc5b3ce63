"""What a search of a folder finds: no transcript is passed by because of its ending or a link."""

from __future__ import annotations

from pathlib import Path

from runner.transcripts.suite.discovery import find_transcripts


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
