"""Every report counts a cell as bad exactly where the exit code does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

import pytest

from runner.config.diagnostics import Location
from runner.transcripts.exit_codes import VERDICT_EXIT_CODES, exit_code
from runner.transcripts.outcome import Change, Finding, Outcome
from runner.transcripts.reports import FORMATS, SuiteResult, report_renderer

HERE = Location(Path("a.yaml"), 3)


def finding(level: Literal["fail", "drift", "warn", "info", "note"], kind: str = "contains") -> Finding:
    return Finding(level, kind, "what came", HERE, diff="-a\n+b")


def outcome(**fields: Any) -> Outcome:
    return Outcome("a.yaml", "m/1", HERE, **fields)


CHANGE = Change("system", "ask", 1, HERE, diff="-a\n+b")
OUTCOMES = {
    "pass": outcome(judged=1),
    "pass with a warning": outcome(judged=1, findings=(finding("warn"), finding("info"))),
    "pass with a change that is told": outcome(judged=1, changes=(CHANGE._replace(warns=True),)),
    "fail": outcome(judged=1, findings=(finding("fail"),)),
    "tool-drift": outcome(judged=1, findings=(finding("drift", "tool-drift"),)),
    "drift": outcome(judged=1, live=True, findings=(finding("drift", "path"),)),
    "stale": outcome(judged=1, changes=(CHANGE,)),
    "missing": outcome(missing="record a.yaml", findings=(finding("note", "missing"),)),
    "not-run": outcome(findings=(finding("note"),)),
    "error": outcome(exit_code=4, findings=(finding("fail", "error"),)),
    "error of trust": outcome(exit_code=6, findings=(finding("fail", "error"),)),
}


def test_every_verdict_is_tried() -> None:
    assert {each.verdict for each in OUTCOMES.values()} == set(VERDICT_EXIT_CODES)


@pytest.mark.parametrize("name", OUTCOMES)
def test_the_reports_say_what_the_exit_code_says(name: str) -> None:
    cell = OUTCOMES[name]
    bad = exit_code([cell]) not in (0, 5)
    report = {form: report_renderer(form)(SuiteResult([cell])) for form in FORMATS}
    junit = ElementTree.fromstring(report["junit"])
    counts = [int(junit.get(key, "")) for key in ("failures", "errors", "skipped")]
    assert cell.is_bad is bad
    assert counts == [bad and cell.verdict != "error", cell.verdict == "error", cell.verdict == "not-run"]
    assert bool([*junit.iter("failure"), *junit.iter("error")]) is bad
    assert report["tap"].splitlines()[2].startswith("not ok 1" if bad else "ok 1")
    assert ("::error " in report["github"]) is bad
    assert (json.loads(report["json"])["cells"][0]["exit_code"] not in (0, 5)) is bad


def test_a_drift_is_told_though_it_is_no_failure() -> None:
    cell = OUTCOMES["drift"]
    for form in FORMATS:
        assert "what came" in report_renderer(form)(SuiteResult([cell]))
    assert report_renderer("github")(SuiteResult([cell])).startswith("::warning file=a.yaml,line=3")


def test_what_fails_a_cell_is_an_error_beside_a_live_drift() -> None:
    cell = outcome(judged=1, live=True, findings=(finding("drift", "path"), finding("fail")))
    lines = report_renderer("github")(SuiteResult([cell])).splitlines()
    assert [line.split()[0] for line in lines] == ["::warning", "::error"]
