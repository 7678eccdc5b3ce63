"""`agent-run replay` and `record`, as a user runs them: reports, exit codes, choices, updates."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
import yaml

import warm_process

AGENT = """\
gateway: scripted
model: demo
system_prompt: You are a calendar.
options: {temperature: 0.2}
script: [{text: It is March 13.}, {text: You are welcome.}]
"""
SCRIPT = """\
transcript: 1
agent: agent.yaml
clock: "2026-03-05T09:30:00-05:00"
tags: [smoke]
turns:
- id: ask
  user: When is it?
  expect:
  - contains: March 13   # the date
- id: thank
  user: Thanks.
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "agent.yaml").write_text(AGENT)
    (tmp_path / "a.transcript.yaml").write_text(SCRIPT)
    return tmp_path


def run(folder: Path, *arguments: str, ci: bool = False) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "FORCE_COLOR")}
    return warm_process.run(*arguments, cwd=folder, environment=environment | ({"CI": "1"} if ci else {}))


@pytest.fixture
def recorded(folder: Path) -> Path:
    done = run(folder, "record", ".")
    assert done.returncode == 0, done.stderr
    return folder


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_a_missing_recording_is_exit_3_and_says_what_to_do(folder: Path) -> None:
    done = run(folder, "replay", ".")
    assert done.returncode == 3
    assert done.stdout.startswith("MISSING a.transcript.yaml   scripted/demo\n")
    assert "record a.transcript.yaml" in done.stdout


def test_green_is_one_line(recorded: Path) -> None:
    done = run(recorded, "replay", ".")
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
    assert done.stdout.startswith("1 pass   2 expectations judged, ")


def test_a_folder_without_transcripts_is_exit_5(tmp_path: Path) -> None:
    done = run(tmp_path, "replay", ".")
    assert done.returncode == 5
    assert "nothing ran" in done.stdout + done.stderr


def test_a_path_that_is_not_there_is_exit_2(tmp_path: Path) -> None:
    done = run(tmp_path, "replay", "nowhere")
    assert (done.returncode, done.stdout) == (2, "")


def test_a_broken_file_is_exit_2_at_its_line_and_the_others_still_run(recorded: Path) -> None:
    (recorded / "b.transcript.yaml").write_text("transcript: 1\nagent: agent.yaml\nturn: []\n")
    done = run(recorded, "replay", ".")
    assert done.returncode == 2
    assert "b.transcript.yaml:3 › file" in done.stdout
    assert "1 error · 1 pass" in done.stdout


def test_a_broken_agent_is_exit_2_at_its_own_line(recorded: Path) -> None:
    change(recorded / "agent.yaml", "options: {temperature", "options: {temprature")
    done = run(recorded, "replay", ".")
    assert done.returncode == 2
    assert "agent.yaml:4 › file" in done.stdout


def test_staleness_names_the_line_and_can_be_accepted(recorded: Path) -> None:
    change(recorded / "agent.yaml", "a calendar", "an almanac")
    done = run(recorded, "replay", ".")
    assert done.returncode == 3
    assert "  system   CHANGED   (agent.yaml:3)\n    -You are a calendar.\n    +You are an almanac.\n" in done.stdout
    script = (recorded / "a.transcript.yaml").read_text().partition("---\n")[0]
    refused = run(recorded, "replay", ".", "--accept-stale=options")
    assert (refused.returncode, "not restamped" in refused.stderr) == (3, True)
    done = run(recorded, "replay", ".", "--accept-stale=system")
    assert (done.returncode, done.stderr) == (0, "a.transcript.yaml [scripted/demo]: accepted system\n")
    text = (recorded / "a.transcript.yaml").read_text()
    assert text.startswith(script)
    assert "accepted: [system]" in text
    assert run(recorded, "replay", ".").returncode == 0


def test_updates_by_category(recorded: Path) -> None:
    file = recorded / "a.transcript.yaml"
    change(file, "contains: March 13   #", "text: It is March 14.   #")
    assert run(recorded, "replay", ".").returncode == 1
    assert run(recorded, "replay", ".", "--update", "expect").returncode == 0
    assert '  - text: "It is March 13."   # the date\n' in file.read_text()
    change(recorded / "agent.yaml", "a calendar", "an almanac")
    assert run(recorded, "replay", ".", "--update", "recording").returncode == 0
    change(recorded / "agent.yaml", "model: demo", "model: other")
    assert run(recorded, "replay", ".").returncode == 3
    assert run(recorded, "replay", ".", "--update", "create").returncode == 0
    assert file.read_text().count("\nrecording: ") == 2
    assert run(recorded, "replay", ".", "--update", "prune").returncode == 0
    assert file.read_text().count("\nrecording: scripted/other") == file.read_text().count("\nrecording: ") == 1
    assert run(recorded, "replay", ".", "--update", "nonsense").returncode == 2


@pytest.mark.parametrize(
    "arguments", [("record", "."), ("replay", ".", "--update", "create"), ("replay", ".", "--accept-stale=system")]
)
def test_nothing_is_updated_where_ci_is_set(folder: Path, arguments: tuple[str, ...]) -> None:
    before = (folder / "a.transcript.yaml").read_bytes()
    done = run(folder, *arguments, ci=True)
    assert done.returncode == 2
    assert "nothing is recorded or updated where CI is set" in done.stderr
    assert (folder / "a.transcript.yaml").read_bytes() == before


def test_choices(recorded: Path) -> None:
    (recorded / "b.transcript.yaml").write_text(
        (recorded / "a.transcript.yaml").read_text().replace("[smoke]", "[slow]")
    )
    assert run(recorded, "replay", ".").stdout.startswith("2 pass")
    for only in ("tag:slow", "b.trans", "tag:smoke"):
        assert run(recorded, "replay", ".", "--only", only).stdout.startswith("1 pass")
    assert run(recorded, "replay", ".", "--only", "tag:none").returncode == 5
    assert run(recorded, "replay", ".", "--model", "openai/x").returncode == 3
    assert run(recorded, "replay", ".", "--twice", "--chunking", "char", "-j", "2").stdout.startswith("2 pass")
    assert run(recorded, "replay", ".", "--chunking", "odd").returncode == 2
    assert run(recorded, "replay", ".", "--as-recorded").returncode == 2
    for file in ("a", "b"):
        change(recorded / f"{file}.transcript.yaml", "contains: March 13 ", "contains: March 14 ")
    assert run(recorded, "replay", ".", "--fail-fast").stdout.count("FAIL") == 1
    assert run(recorded, "replay", ".").stdout.count("FAIL") == 2
    change(recorded / "b.transcript.yaml", "contains: March 14 ", "contains: March 13 ")
    assert "1 fail · 1 pass   3 expectations judged" in run(recorded, "replay", ".", "--failed").stdout
    assert run(recorded, "replay", ".", "--failed").stdout.count("pass") == 0


def test_reports(recorded: Path) -> None:
    change(recorded / "a.transcript.yaml", "contains: March 13 ", "contains: March <14> ")
    kinds = ("junit=r/j.xml", "github=r/g.txt", "json=r/j.json", "tap=r/t.tap")
    done = run(recorded, "replay", ".", *(part for kind in kinds for part in ("--report", kind)))
    assert done.returncode == 1
    assert done.stdout.startswith("FAIL   a.transcript.yaml:9 › ask › contains   scripted/demo\n")
    suite = ElementTree.parse(recorded / "r/j.xml").getroot()
    assert (suite.tag, suite.get("tests"), suite.get("failures")) == ("testsuites", "1", "1")
    failure = suite.find(".//failure")
    assert failure is not None
    assert failure.get("type") == "fail"
    assert 'lacks "March <14>"' in str(failure.get("message"))
    github = (recorded / "r/g.txt").read_text()
    assert github.startswith("::error file=a.transcript.yaml,line=9,col=5,title=ask › contains::the text lacks")
    report = json.loads((recorded / "r/j.json").read_text())
    schema = json.loads((Path(__file__).parents[2] / "schemas" / "report.schema.json").read_text())
    jsonschema.validate(report, schema)
    assert (report["report"], report["exit_code"], report["counts"]) == (1, 1, {"fail": 1})
    assert report["cells"][0]["findings"][0]["line"] == 9
    tap = (recorded / "r/t.tap").read_text()
    assert tap.startswith("TAP version 14\n1..1\nnot ok 1 - a.transcript.yaml [scripted/demo]\n  ---\n")
    details = tap.partition("  ---\n")[2].partition("  ...")[0]
    assert yaml.safe_load(details)["verdict"] == "fail"


def test_only_one_report_goes_to_stdout(recorded: Path) -> None:
    assert run(recorded, "replay", ".", "--report", "tap").stdout.startswith("TAP version 14")
    assert run(recorded, "replay", ".", "--report", "tap", "--report", "json").returncode == 2
    assert run(recorded, "replay", ".", "--report", "pdf").returncode == 2


def test_stale_is_a_failure_type_of_its_own(recorded: Path) -> None:
    change(recorded / "agent.yaml", "0.2", "0.3")
    root = ElementTree.fromstring(run(recorded, "replay", ".", "--report", "junit").stdout)
    assert [failure.get("type") for failure in root.iter("failure")] == ["stale"]


def test_live_asks_the_model_and_writes_nothing(recorded: Path) -> None:
    change(recorded / "agent.yaml", "March 13", "March 15")
    before = (recorded / "a.transcript.yaml").read_bytes()
    done = run(recorded, "replay", ".", "--live")
    assert done.returncode == 1
    assert "+It is March 15." in done.stdout
    assert (recorded / "a.transcript.yaml").read_bytes() == before


def test_a_model_that_cannot_be_asked_is_exit_4(folder: Path) -> None:
    change(folder / "agent.yaml", "{text: It is March 13.}, ", "{error: {status: 401}}, ")
    before = (folder / "a.transcript.yaml").read_bytes()
    assert run(folder, "record", ".").returncode == 4
    assert (folder / "a.transcript.yaml").read_bytes() == before


def test_a_recording_by_hand_is_a_cell_of_its_own_and_survives(recorded: Path) -> None:
    with (recorded / "a.transcript.yaml").open("a") as file:
        file.write(
            "---\n# By hand.\nrecording: hand/cut-off\nturns:\n  ask:\n"
            "  - reply: {error: {status: 429, retry_after: 30}}\n"
            "  - reply: {finish: length, in: 9, out: 2}\n    text: It is\n"
            "expect:\n- events: [retry, truncated]\n- finish: length\n"
        )
    assert run(recorded, "replay", ".").stdout.startswith("2 pass   4 expectations judged")
    assert run(recorded, "record", ".").returncode == 0
    assert "# By hand.\nrecording: hand/cut-off\n" in (recorded / "a.transcript.yaml").read_text()
    assert run(recorded, "replay", ".").returncode == 0


def test_expectations_that_nothing_breaks_are_listed(recorded: Path) -> None:
    change(recorded / "a.transcript.yaml", "  - contains: March 13 ", "  - regex: '.*'\n  - contains: March 13 ")
    done = run(recorded, "check", "--mutate", ".")
    assert done.returncode == 0
    assert "a.transcript.yaml:9:5: warning: regex: nothing that the model could say or do breaks this" in done.stdout
    assert done.stdout.count("warning") == 1


@pytest.mark.parametrize(("answers", "kept"), [("a", False), ("r", True)])
def test_a_review_decides(recorded: Path, answers: str, kept: bool) -> None:
    change(recorded / "agent.yaml", "It is March 13.", "March 13 it is.")
    file = recorded / "a.transcript.yaml"
    before = file.read_bytes()
    lead, follow = pty.openpty()
    os.write(lead, f"{answers}\n".encode() * 3)
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run(
        [sys.executable, "-m", "runner", "record", ".", "--review"],
        cwd=recorded,
        env=environment,
        stdin=follow,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(lead)
    os.close(follow)
    assert "-text: |-\n-  It is March 13." in done.stdout or "-  It is March 13." in done.stdout
    assert (file.read_bytes() == before) is kept


def test_a_missing_recording_is_in_every_report(folder: Path) -> None:
    said = "there is no recording of scripted/demo"
    for form in ("github", "junit", "tap", "json"):
        assert said in run(folder, "replay", ".", "--report", form).stdout


def test_a_file_that_cannot_be_written_is_told(folder: Path) -> None:
    (folder / ".blobs").write_text("in the way")
    change(folder / "agent.yaml", "It is March 13.", "March 13. " + "word " * 1000)
    done = run(folder, "record", ".")
    assert done.returncode == 2
    assert "cannot write .blobs" in done.stdout


def test_a_terminal_that_knows_ascii_alone_gets_a_report(recorded: Path) -> None:
    change(recorded / "agent.yaml", "a calendar", "an alm\N{LATIN SMALL LETTER A WITH DIAERESIS}nac")
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-m", "runner", "replay", "."],
        cwd=recorded,
        env=environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert b"CHANGED" in done.stdout


def test_a_broken_agent_is_told_once_and_by_check_too(recorded: Path) -> None:
    change(recorded / "agent.yaml", "temperature", "temprature")
    for word in ("replay", "record"):
        done = run(recorded, word, "a.transcript.yaml")
        assert done.returncode == 2
        assert done.stdout.count("did you mean 'temperature'?") == 1
    assert done.stdout.startswith("ERROR  agent.yaml:4 › file   a.transcript.yaml\n")
    checked = run(recorded, "check", "a.transcript.yaml")
    assert checked.returncode == 2
    assert checked.stdout.startswith("agent.yaml:4:11: error: options.temprature: unknown option")
    assert run(recorded, "check", ".").stdout.count("temprature: unknown option") == 1


def test_an_agent_is_named_without_detours(recorded: Path) -> None:
    (recorded / "sub").mkdir()
    text = (recorded / "a.transcript.yaml").read_text().replace("agent: agent.yaml", "agent: ../agent.yaml")
    (recorded / "sub" / "a.transcript.yaml").write_text(text)
    change(recorded / "agent.yaml", "a calendar", "an almanac")
    assert "  system   CHANGED   (agent.yaml:3)" in run(recorded, "replay", "sub").stdout


def test_mutations_of_what_is_not_trusted_are_not_judged(recorded: Path) -> None:
    (recorded / "checks.py").write_text("def fine(facts):\n    assert 'March' in facts.text\n")
    change(
        recorded / "a.transcript.yaml",
        "  - contains: March 13 ",
        "  - python: 'checks.py:fine'\n  - contains: March 13 ",
    )
    (recorded / "a.transcript.yaml").rename(recorded / "named.yaml")
    assert run(recorded, "check", "--mutate", "named.yaml").returncode == 6
    trusted = run(recorded, "check", "--mutate", "--trust", "named.yaml")
    assert (trusted.returncode, trusted.stdout) == (0, "")
