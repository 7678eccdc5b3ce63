"""A file is written whole or not at all, and what is private stays so."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import nullcontext
from pathlib import Path

import platformdirs
import pytest

from runner.core.dirs import cache_folder, config_folder, state_folder
from runner.core.files import (
    create_private,
    make_private_folder,
    open_regular,
    read_bounded,
    write_in_own_folder,
    write_private,
    write_public,
)

posix = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
WRITERS = [write_private, write_public, write_in_own_folder]


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("write", WRITERS)
class TestEveryWrite:
    def test_the_text_is_there_and_no_draft(self, write, tmp_path: Path) -> None:
        file = tmp_path / "new" / "a.txt"
        write(file, "é\n")
        write(file, "second")
        assert file.read_bytes() == b"second"
        assert list(file.parent.iterdir()) == [file]

    def test_what_cannot_be_encoded_leaves_the_old_file(self, write, tmp_path: Path) -> None:
        file = tmp_path / "a.txt"
        file.write_text("old")
        with pytest.raises(UnicodeEncodeError):
            write(file, "\ud800")
        assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
        assert file.read_text() == "old"

    def test_what_cannot_be_put_in_place_leaves_no_draft(self, write, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        with pytest.raises(OSError):
            write(tmp_path / "folder", "x")
        assert [path.name for path in tmp_path.iterdir()] == ["folder"]

    def test_a_name_may_be_as_long_as_names_can_be(self, write, tmp_path: Path) -> None:
        file = tmp_path / ("x" * 250)
        write(file, "x")
        assert file.read_text() == "x"


@posix
class TestModes:
    def test_a_private_file_is_private_whatever_was_there(self, tmp_path: Path) -> None:
        folder = tmp_path / "state"
        folder.mkdir(mode=0o755)
        file = folder / "a"
        file.write_text("old")
        file.chmod(0o644)
        write_private(file, "new")
        assert (mode(file), mode(folder)) == (0o600, 0o700)

    @pytest.mark.parametrize("was", [None, 0o600, 0o640, 0o664])
    def test_a_public_file_keeps_its_mode(self, was: int | None, tmp_path: Path) -> None:
        file = tmp_path / "a"
        if was is not None:
            file.write_text("old")
            file.chmod(was)
        write_public(file, "new")
        assert mode(file) == (was or 0o644)

    def test_a_link_to_a_public_file_stays(self, tmp_path: Path) -> None:
        file, link = tmp_path / "a", tmp_path / "link"
        file.write_text("old")
        link.symlink_to(file)
        write_public(link, "new")
        assert link.is_symlink()
        assert file.read_text() == "new"

    def test_a_private_file_is_created_once(self, tmp_path: Path) -> None:
        with create_private(tmp_path / "a") as file:
            file.write(b"x")
        assert mode(tmp_path / "a") == 0o600
        with pytest.raises(FileExistsError):
            create_private(tmp_path / "a")

    def test_a_folder_that_others_can_look_into_is_closed(self, tmp_path: Path) -> None:
        (tmp_path / "state").mkdir()
        (tmp_path / "state").chmod(0o755)
        make_private_folder(tmp_path / "state" / "trust")
        (tmp_path / "state" / "trust").chmod(0o750)
        make_private_folder(tmp_path / "state" / "trust")
        assert (mode(tmp_path / "state"), mode(tmp_path / "state" / "trust")) == (0o755, 0o700)
        make_private_folder(tmp_path / "new" / "trust")
        assert (mode(tmp_path / "new"), mode(tmp_path / "new" / "trust")) == (0o700, 0o700)


FOLDERS = [
    ("CONFIG", config_folder, lambda: platformdirs.user_config_path("agent-run")),
    ("STATE", state_folder, lambda: platformdirs.user_state_path("agent-run")),
    ("CACHE", cache_folder, lambda: platformdirs.user_cache_path("agent-run", appauthor=False)),
]


@pytest.mark.parametrize(("kind", "folder", "theirs"), FOLDERS)
def test_folders_are_where_platformdirs_says_unless_named(
    kind, folder, theirs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for named in (None, "", " ", "/somewhere/else"):
        monkeypatch.delenv(f"AGENT_RUN_{kind}_HOME", raising=False)
        monkeypatch.delenv(f"XDG_{kind}_HOME", raising=False)
        if named is not None:
            monkeypatch.setenv(f"XDG_{kind}_HOME", named)
        assert folder() == theirs()
    monkeypatch.setenv(f"AGENT_RUN_{kind}_HOME", "~/named")
    assert folder() == Path("~/named").expanduser()


@pytest.mark.skipif(sys.platform != "linux", reason="another system asks platformdirs")
def test_the_configuration_is_looked_for_by_the_given_environment() -> None:
    assert config_folder({"XDG_CONFIG_HOME": "/x"}) == Path("/x/agent-run")
    assert config_folder({"AGENT_RUN_CONFIG_HOME": "/y"}) == Path("/y")


class TestReading:
    @pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 200_000])
    def test_a_file_is_read_up_to_its_bound(self, size: int, tmp_path: Path) -> None:
        file = tmp_path / "a"
        file.write_bytes(b"x" * size)
        assert read_bounded(file, size) == b"x" * size
        with pytest.raises(OSError, match="larger than") if size else nullcontext():
            read_bounded(file, max(0, size - 1))

    @posix
    @pytest.mark.parametrize("linked", [False, True])
    @pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "/dev/zero", "/dev/null"])
    def test_what_is_no_regular_file_is_neither_opened_nor_waited_for(
        self, kind: str, linked: bool, tmp_path: Path
    ) -> None:
        path = tmp_path / "a"
        match kind:
            case "pipe":
                os.mkfifo(path)
            case "socket":
                with socket.socket(socket.AF_UNIX) as server:
                    server.bind(os.path.relpath(path))
            case "folder":
                path.mkdir()
            case _:
                path = Path(kind)
        if linked:
            (tmp_path / "link").symlink_to(path)
            path = tmp_path / "link"
        with pytest.raises(OSError, match=r"regular file|directory"):
            open_regular(path)

    @posix
    def test_a_descriptor_that_was_handed_over_may_be_a_pipe(self) -> None:
        reading, writing = os.pipe()
        os.write(writing, b"piped")
        os.close(writing)
        try:
            assert read_bounded(f"/dev/fd/{reading}", 100) == b"piped"
        finally:
            os.close(reading)
