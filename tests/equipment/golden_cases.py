"""The cases of the golden set: folders with an agent and its transcript, recorded once, and edits of their files."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from runner.cli import run

HOME = Path(__file__).parent.parent / "transcripts" / "golden"
TRANSCRIPT = "case.transcript.yaml"
HALVES = ("script", "recording")
SEVERITY = ("error", "fail", "tool-drift", "missing", "stale", "not-run", "pass")


class Row(NamedTuple):
    """An edit of one file of a case, and what must come of it. `arguments` are further ones for `replay`."""

    case: str
    file: str
    old: str | None
    new: str | None
    verdict: str = "pass"
    code: int = 0
    phrase: str = ""
    arguments: Sequence[str] = ()

    @property
    def id(self) -> str:
        shown = f"{self.old!r}->{self.new!r}"
        return f"{self.case}-{self.file}-{shown if len(shown) < 100 else shown[:97] + '...'}"


class Result(NamedTuple):
    """What `replay` said: the verdict of the worst cell, the exit code, the report, and the verdict of each cell."""

    verdict: str
    code: int
    said: str
    verdicts: Sequence[str]


def _settings(case: str) -> Mapping[str, Any]:
    settings: Mapping[str, Any] = yaml.safe_load((HOME / case / "rows.yaml").read_text("utf-8"))
    return settings


SETTINGS = {folder.name: _settings(folder.name) for folder in sorted(HOME.iterdir()) if (folder / "rows.yaml").exists()}


def rows_of(section: str) -> list[Row]:
    """The rows of that section, of all cases."""
    return [Row(case, *row) for case, settings in SETTINGS.items() for row in settings.get(section, ())]


def record_cases(folder: Path) -> Path:
    """A copy of all cases in the folder, each recorded by `record` as its settings say."""
    for case, settings in SETTINGS.items():
        copy = folder / case
        shutil.copytree(HOME / case, copy, ignore=shutil.ignore_patterns("rows.yaml", "__pycache__"))
        for file in copy.glob("*.yaml"):
            text = file.read_text("utf-8")
            if "__PYTHON__" in text:
                file.write_text(text.replace("__PYTHON__", sys.executable), "utf-8")
        for arguments in settings.get("record", ([],)):
            code, said = command("record", "--trust", *arguments, str(copy))
            assert code == 0, f"{case}: {said}"
    return folder


def command(*arguments: str) -> tuple[int, str]:
    """The exit code of `agent-run ARGUMENTS` in this process, and all it said."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code = run(list(arguments))
    return code, output.getvalue()


def replayed(folder: Path, case: str, arguments: Sequence[str] = ()) -> Result:
    """What `replay` says of the case in the folder, which is the current one."""
    report = folder.parent / f"{folder.name}.json"
    report.unlink(missing_ok=True)
    options = [*SETTINGS[case].get("replay", ()), *arguments]
    code, said = command("replay", *options, f"--report=json={report}", ".")
    cells = json.loads(report.read_text("utf-8"))["cells"] if report.exists() else []
    verdicts = [cell["verdict"] for cell in cells]
    worst = min(verdicts, key=SEVERITY.index, default="not-run")
    return Result(worst, code, said, verdicts)


def edited(folder: Path, row: Row) -> None:
    """Edit the file of the row in the folder: replace the first occurrence of `old`, which must be there.

    `old` between slashes is a regular expression, with a `g` behind for all that it finds; empty, `new` is appended;
    None, `new` is a file of its own. `new` None removes the file.
    """
    path = folder / (TRANSCRIPT if row.file in HALVES else row.file)
    if row.new is None:
        path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if row.old is None:
        path.write_bytes(row.new.encode())
        return
    before = path.read_bytes().decode()
    script, mark, recording = before.partition("---\n") if row.file in HALVES else (before, "", "")
    if row.file == "recording":
        after = script + changed(mark + recording, row.old, row.new)
    else:
        after = changed(script, row.old, row.new) + mark + recording
    assert after != before, "the edit changes nothing"
    path.write_bytes(after.encode())


def changed(text: str, old: str, new: str) -> str:
    """The text with the replacement."""
    if not old:
        return text + new
    pattern = re.fullmatch(r"/(.*)/(g?)", old, re.DOTALL)
    if pattern is None:
        assert old in text, f"{old!r} is not there"
        return text.replace(old, new, 1)
    found = re.compile(pattern[1], re.DOTALL)
    assert found.search(text), f"{old!r} is not there"
    return found.sub(new, text, count=0 if pattern[2] else 1)
