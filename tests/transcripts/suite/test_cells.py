"""A cell's crash is that cell's outcome: the verdicts of all others stand, in every command and every report."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
import yaml

from runner.config.diagnostics import Location
from runner.transcripts.exit_codes import exit_code
from runner.transcripts.outcome import Outcome
from runner.transcripts.suite.cell import Cell, cells_of, run_cells
from warm_process import run_outside_ci as run

AGENT = "gateway: scripted\nmodel: demo\nsystem_prompt: You count.\nscript: [{text: one}]\n"
SCRIPT = "transcript: 1\nagent: agent.yaml\nturns:\n- id: ask\n  user: Count.\n  expect:\n  - contains: one\n"
CHECKS = """\
import os, signal, sys
def leaves(facts): sys.exit(0)
def vanishes(facts): os._exit(0)
def killed(facts): os.kill(os.getpid(), signal.SIGKILL)
def interrupts(facts): raise KeyboardInterrupt
def talks(facts): print("a word of the check", flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three transcripts, recorded."""
    (tmp_path / "agent.yaml").write_text(AGENT)
    (tmp_path / "checks.py").write_text(CHECKS)
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.transcript.yaml").write_text(SCRIPT)
    done = run(tmp_path, "record", ".")
    assert done.returncode == 0, done.stderr
    return tmp_path


def add_check(folder: Path, name: str) -> None:
    file = folder / "b.transcript.yaml"
    file.write_text(file.read_text().replace("contains: one\n", f"contains: one\n  - python: 'checks.py:{name}'\n"))


HOW = [(), ("-j", "2"), ("--twice",), ("--live",), ("--live", "--as-recorded")]


@pytest.mark.parametrize("how", HOW, ids=" ".join)
@pytest.mark.parametrize(
    ("check", "code", "summary", "line"),
    [
        ("leaves", 1, "1 fail · 2 pass", 8),
        ("interrupts", 1, "1 fail · 2 pass", 8),
        ("vanishes", 4, "1 error · 2 pass", 11),
        ("killed", 4, "1 error · 2 pass", 11),
        ("talks", 0, "3 pass", 0),
    ],
)
def test_a_check_can_end_its_own_cell_alone(
    how: tuple[str, ...], check: str, code: int, summary: str, line: int, folder: Path
) -> None:
    add_check(folder, check)
    done = run(folder, "replay", "--trust", *how, ".")
    assert done.returncode == code, done.stderr
    assert f"{summary}   " in done.stdout
    assert "a word of the check" not in done.stdout
    if line and "--live" not in how:
        assert f" b.transcript.yaml:{line} › " in done.stdout


@pytest.mark.parametrize("how", [(), ("-j", "3")], ids=" ".join)
def test_every_report_counts_a_crash_as_an_error(how: tuple[str, ...], folder: Path) -> None:
    add_check(folder, "vanishes")
    forms = ("junit=j.xml", "github=g.txt", "json=j.json", "tap=t.tap")
    done = run(folder, "replay", "--trust", *how, ".", *(part for form in forms for part in ("--report", form)))
    assert done.returncode == 4
    root = ElementTree.parse(folder / "j.xml").getroot()
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3",
        "failures": "0",
        "errors": "1",
        "skipped": "0",
    }
    assert [error.get("type") for error in root.iter("error")] == ["error"]
    assert "ended with exit code 0" in str(next(root.iter("error")).get("message"))
    report = json.loads((folder / "j.json").read_text())
    jsonschema.validate(report, json.loads((Path(__file__).parents[3] / "schemas/report.schema.json").read_text()))
    assert (report["exit_code"], report["counts"]) == (4, {"error": 1, "pass": 2})
    assert [cell["recording"] for cell in report["cells"]] == ["scripted/demo"] * 3
    assert (folder / "g.txt").read_text().startswith("::error file=b.transcript.yaml,line=11,col=1,title=error::")
    tap = (folder / "t.tap").read_text()
    assert [line.partition(" - ")[0] for line in tap.splitlines() if "ok " in line] == ["ok 1", "not ok 2", "ok 3"]
    details = tap.partition("  ---\n")[2].partition("  ...")[0]
    assert yaml.safe_load(details)["verdict"] == "error"


def test_a_recorded_crash_costs_no_other_recording(folder: Path) -> None:
    add_check(folder, "vanishes")
    (folder / "agent.yaml").write_text(AGENT.replace("one}", "one two}"))
    done = run(folder, "record", "--trust", ".")
    assert done.returncode == 4
    assert [("one two" in (folder / f"{name}.transcript.yaml").read_text()) for name in "abc"] == [True, False, True]


def test_what_happened_is_remembered_and_comes_first_next_time(folder: Path) -> None:
    add_check(folder, "killed")
    run(folder, "replay", "--trust", ".")
    assert json.loads((folder / ".agent-run/failed.json").read_text()) == ["b.transcript.yaml [scripted/demo]"]
    again = run(folder, "replay", "--trust", "--failed", ".")
    assert "1 error   " in again.stdout


def test_a_file_that_was_broken_runs_again_once_it_is_mended(folder: Path) -> None:
    file = folder / "b.transcript.yaml"
    before = file.read_text()
    file.write_text(before.replace("turns:", "trns:", 1))
    assert run(folder, "replay", ".").returncode == 2
    file.write_text(before)
    mended = run(folder, "replay", "--failed", ".")
    assert (mended.returncode, mended.stdout[:6]) == (0, "1 pass")
    assert json.loads((folder / ".agent-run/failed.json").read_text()) == []


def test_a_mistake_in_a_suite_file_costs_its_own_folder_alone(folder: Path) -> None:
    below = folder / "below"
    below.mkdir()
    (below / "_suite.yaml").write_text("suite: 1\nclok: x\n")
    for name in ("d", "e"):
        (below / f"{name}.transcript.yaml").write_text((folder / "a.transcript.yaml").read_text())
    for how in ((), ("-j", "2")):
        done = run(folder, "replay", *how, ".")
        assert done.returncode == 2
        assert "2 error · 3 pass" in done.stdout
        assert done.stdout.count("ERROR  below/_suite.yaml:2 › file") == 2


class Source:
    """Cells of the jobs that are given."""

    def __init__(self, *jobs: object) -> None:
        self.jobs = jobs

    def cells(self, path: Path) -> list[Cell]:
        if not self.jobs:
            raise RecursionError("too deep")
        return [Cell(path, f"m/{number}", Location(path, 3), job) for number, job in enumerate(self.jobs)]  # type: ignore[arg-type]

    def close(self) -> None:
        self.jobs = ()


def raises(error: BaseException) -> object:
    def job() -> Outcome:
        raise error

    return job


BUGS = [ZeroDivisionError("x"), SystemExit(0), MemoryError(), RecursionError(), GeneratorExit(), AssertionError()]


def test_a_bug_of_ours_is_an_error_of_the_cell_with_its_traceback_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    good = Outcome("x.yaml", "m/9", Location(Path("x.yaml"), 1), held=1, judged=1)
    source = Source(*map(raises, BUGS), lambda: good)
    outcomes = list(run_cells(lambda: source, [Path("x.yaml")]))
    assert [outcome.verdict for outcome in outcomes] == ["error"] * len(BUGS) + ["pass"]
    assert exit_code(outcomes) == 70
    for outcome, error in zip(outcomes, BUGS, strict=False):
        (finding,) = outcome.findings
        assert f"a bug in agent-run: {type(error).__name__}" in finding.what
        assert finding.location == Location(Path("x.yaml"), 3)
        saved = finding.what.partition("where: ")[2].partition("\n")[0]
        assert Path(saved).parent == tmp_path
        assert type(error).__name__ in Path(saved).read_text()


def test_a_bug_before_the_first_cell_is_the_files_error() -> None:
    (cell,) = cells_of(Source(), Path("x.yaml"))
    outcome = cell.outcome()
    assert outcome is not None
    assert (outcome.verdict, outcome.exit_code, outcome.name) == ("error", 70, "x.yaml")


def test_the_users_own_interrupt_ends_the_run() -> None:
    with pytest.raises(KeyboardInterrupt):
        list(run_cells(lambda: Source(raises(KeyboardInterrupt())), [Path("x.yaml")]))


@pytest.mark.parametrize("codes", [(9, 0), (70, 1), (2, 70), (4, 3, 0)])
def test_the_worst_exit_code_wins_and_none_is_lost(codes: tuple[int, ...]) -> None:
    outcomes = [Outcome("x", "", Location(Path("x"), 1), judged=1, exit_code=code) for code in codes]
    assert exit_code(outcomes) == exit_code(reversed(outcomes)) == codes[0]
