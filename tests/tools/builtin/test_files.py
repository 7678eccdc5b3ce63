"""The files tools, and that nothing leads out of their root."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.core.errors import UsageError
from runner.core.messages import ToolCall, ToolResult
from runner.tools import Context, Toolbox, ToolEntry, open_toolbox
from thoroughness import examples

SECRET = "the secret outside"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of notes, with a secret beside it."""
    (tmp_path / "secret.txt").write_text(SECRET)
    notes = tmp_path / "notes"
    (notes / "sub" / "deep").mkdir(parents=True)
    (notes / ".hidden").mkdir()
    (notes / "a.md").write_text("one\ntwo\nthree\n")
    (notes / "b.txt").write_text("Two again\n")
    (notes / "sub" / "c.md").write_text("two below\n")
    (notes / "sub" / "deep" / "d.md").write_text("")
    (notes / ".hidden" / "e.md").write_text("two hidden\n")
    return notes


def opened(root: Path, write: bool = True) -> Toolbox:
    return open_toolbox([ToolEntry("files", "files", {"root": root.name, "write": write}, "a.yaml:5", root.parent)])


def did(box: Toolbox, name: str, **arguments: Any) -> ToolResult:
    return box.call(ToolCall("1", f"files_{name}", arguments), Context())


def test_writing_tools_are_there_only_when_allowed(root: Path) -> None:
    effects = {spec.name: spec.effects for spec in opened(root).specs}
    assert effects == {
        "files_read": "read", "files_list": "read", "files_search": "read",
        "files_write": "write", "files_edit": "write",
    }  # fmt: skip
    assert [spec.name for spec in opened(root, write=False).specs] == list(effects)[:3]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ({}, "one\ntwo\nthree\n"),
        ({"first_line": 2}, "(lines 2 to 3 of 3)\ntwo\nthree\n"),
        ({"first_line": 2, "last_line": 2}, "(lines 2 to 2 of 3)\ntwo\n"),
        ({"first_line": -5, "last_line": 99}, "one\ntwo\nthree\n"),
        ({"first_line": 9}, "(the file has 3 lines)"),
    ],
)
def test_read(root: Path, lines: dict[str, int], text: str) -> None:
    result = did(opened(root), "read", path="./a.md", **lines)
    assert (result.output, result.failed) == (text, False)


def test_lines_are_counted_as_an_editor_does(root: Path) -> None:
    (root / "odd.txt").write_text("a\u2028b\fc\nlast", newline="")
    box = opened(root)
    assert did(box, "read", path="odd.txt", first_line=2).output == "(lines 2 to 2 of 2)\nlast"
    assert did(box, "search", text="last").output == "odd.txt:2: last"


def test_a_long_file_is_read_in_parts(root: Path) -> None:
    (root / "long.txt").write_text("line\n" * 5000)
    assert did(opened(root), "read", path="long.txt").output.startswith("(lines 1 to 2000 of 5000)\n")


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({}, [".hidden/", "a.md", "b.txt", "sub/"]),
        ({"pattern": "*.md"}, ["a.md"]),
        ({"pattern": "**/*.md"}, ["a.md", "sub/c.md", "sub/deep/d.md"]),
        ({"path": "sub", "pattern": "**"}, ["sub/c.md", "sub/deep/", "sub/deep/d.md"]),
        ({"path": "sub/deep"}, ["sub/deep/d.md"]),
        ({"pattern": ".hidden/*"}, [".hidden/e.md"]),
        ({"pattern": "none*"}, ["Nothing matches."]),
        ({"pattern": "../*"}, ["Nothing matches."]),
        ({"pattern": "/etc/*"}, ["Nothing matches."]),
    ],
)
def test_list(root: Path, arguments: dict[str, str], found: list[str]) -> None:
    assert did(opened(root), "list", **arguments).output.splitlines() == found


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({"text": "two"}, ["a.md:2: two", "b.txt:1: Two again", "sub/c.md:1: two below"]),
        ({"text": "two", "ignore_case": False, "pattern": "*"}, ["a.md:2: two"]),
        ({"text": "two", "pattern": "**/*.md", "path": "sub"}, ["sub/c.md:1: two below"]),
        ({"text": "(a+)+$"}, ["No line contains it."]),
    ],
)
def test_search(root: Path, arguments: dict[str, Any], found: list[str]) -> None:
    (root / "image.bin").write_bytes(b"\0two")
    assert did(opened(root), "search", **arguments).output.splitlines() == found


def test_long_lists_are_cut(root: Path) -> None:
    (root / "many.txt").write_text("two\n" * 500)
    for number in range(1100):
        (root / f"file{number}").touch()
    box = opened(root)
    assert did(box, "list").output.endswith("(more than 1000: narrow it down)")
    assert did(box, "search", text="two").output.endswith("(more than 200: narrow it down)")


def test_write_makes_folders_and_replaces_whole_files(root: Path) -> None:
    box = opened(root)
    assert did(box, "write", path="new/x.md", content="ä").output == "Wrote new/x.md (2 bytes)."
    (root / "new" / "x.md").chmod(0o640)
    assert did(box, "write", path="new/x.md", content="b").output == "Replaced new/x.md (1 bytes)."
    assert (root / "new" / "x.md").read_text() == "b"
    assert (root / "new" / "x.md").stat().st_mode & 0o777 == 0o640
    assert [each.name for each in (root / "new").iterdir()] == ["x.md"]


def test_a_root_to_write_to_need_not_be_there_yet(tmp_path: Path) -> None:
    box = opened(tmp_path / "later")
    assert did(box, "list").failed
    assert not did(box, "write", path="x", content="").failed
    with pytest.raises(UsageError, match="there is no folder") as caught:
        opened(tmp_path / "never", write=False)
    assert caught.value.where == "a.yaml:5"


def test_edit_replaces_what_occurs_once(root: Path) -> None:
    box = opened(root)
    assert did(box, "edit", path="a.md", old="two", new="2").output == "Edited a.md, at line 2."
    assert (root / "a.md").read_text() == "one\n2\nthree\n"


@pytest.mark.parametrize(("old", "said"), [("four", "does not occur"), ("e", "occurs 3 times"), ("", "does not occur")])
def test_edit_refuses_what_does_not_occur_once(root: Path, old: str, said: str) -> None:
    result = did(opened(root), "edit", path="a.md", old=old, new="x")
    assert result.failed and said in result.output
    assert (root / "a.md").read_text() == "one\ntwo\nthree\n"


def test_edit_keeps_the_files_line_ends(root: Path) -> None:
    (root / "dos.txt").write_bytes(b"a\r\nb\r\nc\r\n")
    assert not did(opened(root), "edit", path="dos.txt", old="a\nb", new="x\ny").failed
    assert (root / "dos.txt").read_bytes() == b"x\r\ny\r\nc\r\n"


ESCAPES = [
    "../secret.txt", "sub/../../secret.txt", "/etc/passwd", "~/x", "C:\\x", "\\\\host\\x", "a\0b",
    "link.txt", "linked/secret.txt", "inner/c.md", "sub/up/secret.txt", "loop/x",
]  # fmt: skip


@pytest.mark.parametrize("path", ESCAPES)
def test_nothing_leads_out(root: Path, path: str) -> None:
    (root / "link.txt").symlink_to(root.parent / "secret.txt")
    (root / "linked").symlink_to(root.parent)
    (root / "inner").symlink_to("sub")
    (root / "sub" / "up").symlink_to("../..")
    (root / "loop").symlink_to("loop")
    box = opened(root)
    results = [
        did(box, "read", path=path),
        did(box, "write", path=path, content="overwritten"),
        did(box, "edit", path=path, old="secret", new="overwritten"),
        did(box, "list", path=path),
        did(box, "search", path=path, text="secret"),
    ]
    for result in results:
        assert result.failed, result.output
        assert SECRET not in result.output
    assert (root.parent / "secret.txt").read_text() == SECRET
    assert sorted(each.name for each in root.parent.iterdir()) == ["notes", "secret.txt"]


@pytest.mark.parametrize("pattern", ["**", "**/*", "*", "linked/*", "../**"])
def test_no_walk_follows_a_link(root: Path, pattern: str) -> None:
    (root / "linked").symlink_to(root.parent)
    (root / "link.txt").symlink_to(root.parent / "secret.txt")
    box = opened(root)
    assert "linked/" not in did(box, "list", pattern=pattern).output.replace("linked/\n", "")
    assert "outside" not in did(box, "search", text="secret", pattern=pattern).output


def test_a_folder_swapped_for_a_link_does_not_lead_out(root: Path) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "c.md").write_text(SECRET)
    box, stop = opened(root), threading.Event()

    def swap() -> None:
        while not stop.is_set():
            (root / "sub").rename(root / "kept")
            (root / "sub").symlink_to(outside)
            (root / "sub").unlink()
            (root / "kept").rename(root / "sub")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        outputs = {did(box, "read", path="sub/c.md").output for _ in range(1000)}
        edits = {did(box, "edit", path="sub/c.md", old="secret", new="secret").failed for _ in range(300)}
    finally:
        stop.set()
        thread.join()
    assert SECRET not in outputs
    assert did(box, "read", path="sub/c.md").output == "two below\n"
    assert edits == {True}


def test_what_is_no_text_or_no_file_is_refused(root: Path) -> None:
    (root / "image").write_bytes(b"\x89PNG\0\xff")
    os.mkfifo(root / "pipe")
    with open(root / "huge", "wb") as file:
        file.truncate(17 * 2**20)
    box = opened(root)
    for path, said in (
        ("image", "is no text file"), ("pipe", "is no regular file"), ("sub", "is no regular file"),
        ("huge", "are the most"), ("missing", "No such file"), (".", "not a file"), ("a.md/x", "not followed"),
    ):  # fmt: skip
        result = did(box, "read", path=path)
        assert result.failed and said in result.output, path
    assert did(box, "write", path="pipe", content="x").failed
    assert did(box, "write", path="sub", content="x").failed


def test_a_failed_write_leaves_the_old_file_and_no_scraps(root: Path) -> None:
    result = did(opened(root), "write", path="a.md", content="\ud800")
    assert result.failed
    assert (root / "a.md").read_text() == "one\ntwo\nthree\n"
    assert sorted(each.name for each in root.iterdir()) == [".hidden", "a.md", "b.txt", "sub"]


PIECES = st.sampled_from(
    ["..", ".", "", "a.md", "sub", "up", "linked", "/", "~", "secret.txt", "notes", "c.md", "\\", "*"]
)


@settings(max_examples=examples(80), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES, max_size=6).map("/".join))
def test_no_path_reaches_the_secret(root: Path, path: str) -> None:
    for link, target in ((root / "linked", ".."), (root / "sub" / "up", "../..")):
        if not link.is_symlink():
            link.symlink_to(target)
    box = opened(root)
    assert SECRET not in str(did(box, "read", path=path).output)
    assert SECRET not in str(did(box, "search", path=path, text="secret").output)
    did(box, "write", path=path, content="x")
    assert (root.parent / "secret.txt").read_text() == SECRET
    assert sorted(each.name for each in root.parent.iterdir()) == ["notes", "secret.txt"]
