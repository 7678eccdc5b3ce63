"""Transcript files that are wrong: every problem at its line, and nothing overwritten."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from runner.core.errors import ConfigError
from runner.transcripts.files.check import check_file
from runner.transcripts.files.loader import load_transcript
from runner.transcripts.files.schema import transcript_schema_text

ROOT = Path(__file__).parents[3]
TURN = "turns: [{id: t, user: Hi.}]\n"
HEAD = "transcript: 1\nagent: agent.yaml\n"

BAD = {
    "empty": ("", "1:1: error: the file is empty"),
    "no agent": (f"transcript: 1\n{TURN}", "agent: required, and missing"),
    "agent not there": (f"transcript: 1\nagent: no.yaml\n{TURN}", "2:8: error: there is no agent file no.yaml"),
    "no transcript": (f"agent: agent.yaml\n{TURN}", "not a transcript: the first document has no transcript:"),
    "another format": (f"transcript: 2\nagent: agent.yaml\n{TURN}", "1:13: error: script of format 2"),
    "a list": ("- a\n", "1:1: error: a script is a mapping"),
    "unknown key": (f"{HEAD}tag: [a]\n{TURN}", "3:1: error: tag: unknown key (did you mean 'tags'?)"),
    "unknown expectation": (f"{HEAD}turns: [{{user: a, expect: [{{contain: x}}]}}]\n", "(did you mean 'contains'?)"),
    "two expectations in one": (
        f"{HEAD}turns: [{{user: a, expect: [{{contains: x, text: y}}]}}]\n",
        "an expectation has exactly one key besides when, severity and normalize",
    ),
    "a modifier alone": (f"{HEAD}turns: [{{user: a, expect: [{{when: live}}]}}]\n", "exactly one key besides"),
    "broken regex": (f"{HEAD}turns:\n- user: a\n  expect:\n  - regex: '(b'\n", "6:12: error: regex: not a regular"),
    "broken matcher": (
        f"{HEAD}turns: [{{user: a, expect: [{{tools: [{{f: {{a: {{$regx: b}}}}}}]}}]}}]\n",
        "call 1: there is no matcher $regx",
    ),
    "two tools in a call": (
        f"{HEAD}turns: [{{user: a, expect: [{{tools: [{{f: {{}}, g: {{}}}}]}}]}}]\n",
        "exactly one tool",
    ),
    "broken JSON path": (f"{HEAD}turns: [{{user: a, expect: [{{json: {{at: {{a.b: 1}}}}}}]}}]\n", "begins with $"),
    "same id twice": (
        f"{HEAD}turns: [{{id: a, user: x}}, {{id: a, user: y}}]\n",
        "a turn named a stands already at line 3",
    ),
    "no user": (f"{HEAD}turns: [{{id: a}}]\n", "a turn needs user:"),
    "no partial": (f"{HEAD}turns: [{{include: hello}}]\n", "there is no partial 'hello'"),
    "clock without offset": (f"{HEAD}clock: '2026-03-05T09:30:00'\n{TURN}", "clock: an offset is missing"),
    "clock of another kind": (f"{HEAD}clock: tomorrow\n{TURN}", "clock: 'tomorrow' is no ISO 8601 time"),
    "mode of another kind": (f"{HEAD}tools: {{f: stubb}}\n{TURN}", "did you mean 'stub'?"),
    "merge conflict": (f"{HEAD}<<<<<<< HEAD\n{TURN}=======\n", "3:1: error: a merge conflict is left here"),
    "unquoted pattern": (f"{HEAD}turns:\n- user: a\n  expect: [{{regex: (?i)a, b}}]\n", ":5:"),
    "recording of another format": (
        f"{HEAD}{TURN}---\nrecording: a/b\nformat: 7\nturns: {{}}\n",
        "6:9: error: recording of format 7: this agent-run reads format 1",
    ),
    "recording without a name": (f"{HEAD}{TURN}---\nturns: {{}}\n", "recording: required, and missing"),
    "same recording twice": (
        f"{HEAD}{TURN}---\nrecording: hand/b\nturns: {{}}\n---\nrecording: hand/b\nturns: {{}}\n",
        "8:12: error: a recording of hand/b stands already at line 5",
    ),
    "recording without its request": (
        f"{HEAD}{TURN}---\nrecording: a/b\nturns: {{t: [{{reply: {{}}}}]}}\n",
        "5:12: error: this recording has no request:, so nothing could tell whether it is stale (take it out and",
    ),
    "request without a stamp": (
        f"{HEAD}{TURN}---\nrecording: a/b\nrequest: {{system: x, options: {{}}}}\nturns: {{}}\n",
        "request.stamp: required, and missing",
    ),
    "stamp without a part": (
        f"{HEAD}{TURN}---\nrecording: a/b\n"
        "request: {system: x, options: {}, stamp: {system: a, tools: b, options: c}}\nturns: {}\n",
        "request.stamp.turns: required, and missing",
    ),
    "arguments that are no mapping": (
        f"{HEAD}{TURN}---\nrecording: hand/b\nturns: {{t: [{{reply: {{}}, calls: [{{f: {{$literal: 5}}}}]}}]}}\n",
        "6:37: error: the arguments of a call are a mapping",
    ),
    "arguments twice": (
        f"{HEAD}{TURN}---\nrecording: hand/b\nturns:\n  t: [{{reply: {{}}, calls: [{{f: {{a: 1}}, args_text: x}}]}}]\n",
        "7:39: error: args_text: stands in the place of arguments (write f: null)",
    ),
    "a failure without result": (
        f"{HEAD}{TURN}---\nrecording: hand/b\nturns: {{t: [{{reply: {{}}, calls: [{{f: {{}}, failed: true}}]}}]}}\n",
        "failed: speaks of a result, and there is no returned:",
    ),
    "a text that is none": (
        f"{HEAD}{TURN}---\nrecording: hand/b\nturns: {{t: [{{reply: {{}}, text: {{$literal: 5}}}}]}}\n",
        "text.$blob: required, and missing",
    ),
    "an end that is none": (
        f"{HEAD}{TURN}---\nrecording: hand/b\nturns: {{t: [{{reply: {{finish: lenght}}}}]}}\n",
        "did you mean 'length'?",
    ),
    "an error that finishes": (
        f"{HEAD}{TURN}---\nrecording: hand/b\nturns: {{t: [{{reply: {{error: {{}}, finish: stop}}}}]}}\n",
        "a reply that fails with error: has no finish:",
    ),
    "a state of nothing": (
        f"{HEAD}{TURN}---\nrecording: hand/b\nturns: {{t: [{{reply: {{}}}}]}}\nstate: {{t/2: '[]'}}\n",
        "7:9: error: state: there is no reply t/2",
    ),
    "a state that is none": (
        f"{HEAD}{TURN}---\nrecording: hand/b\nturns: {{t: [{{reply: {{}}}}]}}\nstate: {{t/1: x}}\n",
        "state: t/1 is not [DIALECT, MODEL, CONTENT] as JSON",
    ),
    "a state that is deep": (
        f"{HEAD}{TURN}---\nrecording: hand/b\nturns: {{t: [{{reply: {{}}}}]}}\nstate: {{t/1: '{'[' * 100_000}'}}\n",
        "state: t/1 is not [DIALECT, MODEL, CONTENT] as JSON",
    ),
    "lengths that are none": (
        f"{HEAD}{TURN}---\nrecording: hand/b\nturns: {{t: [{{reply: {{}}, text: ab, chunks: 1y2}}]}}\n",
        "is not a row of lengths",
    ),
    "a missing blob": (
        f"{HEAD}{TURN}---\nrecording: hand/b\nturns: {{t: [{{reply: {{}}, text: {{$blob: {'0' * 32}.txt}}}}]}}\n",
        "cannot be read; it belongs to this recording",
    ),
    "a blob that climbs": (
        f"{HEAD}{TURN}---\nrecording: hand/b\nturns: {{t: [{{reply: {{}}, text: {{$blob: ../agent.yaml}}}}]}}\n",
        "is no blob's name",
    ),
    "expectations of a machine": (
        f"{HEAD}{TURN}---\nrecording: a/b\nturns: {{}}\nexpect: []\n",
        "only a hand/ recording",
    ),
    "an unquoted colon": (f"{HEAD}about: a: b\n{TURN}", "3:9: error: unexpected ':'"),
}


@pytest.mark.parametrize(("text", "said"), BAD.values(), ids=BAD.keys())
def test_what_is_wrong_is_told_at_its_place(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "agent.yaml").write_text("gateway: scripted\nmodel: m\nscript: []\n")
    file = tmp_path / "bad.transcript.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_transcript(file)
    problems = [str(problem) for problem in caught.value.problems]
    assert any(said in problem for problem in problems), problems
    assert all(problem.startswith(f"{file}:") for problem in problems)
    assert file.read_text() == text
    assert check_file(file) == list(caught.value.problems)


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    file = tmp_path / "bad.transcript.yaml"
    file.write_text(
        "transcript: 1\nagent: no.yaml\nclock: soon\nturns:\n- user: a\n  expect: [{regex: '('}]\n- id: b\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_transcript(file)
    assert [problem.line for problem in caught.value.problems] == [2, 3, 6, 7]


def test_a_wrong_suite_is_told_at_its_own_place(case) -> None:
    (case.folder / "_suite.yaml").write_text("suite: 1\nclok: x\n")
    with pytest.raises(ConfigError) as caught:
        case.load()
    assert (
        str(caught.value.problems[0])
        == f"{case.folder}/_suite.yaml:2:1: error: clok: unknown key (did you mean 'clock'?)"
    )


def test_suites_give_defaults_the_nearest_first(case) -> None:
    (case.folder / "_suite.yaml").write_text(
        "suite: 1\nvariables: {manner: terse, other: outer}\n"
        "partials: {hello: [{id: hello, user: Hello., expect: [{icontains: hi}]}]}\n"
    )
    inner = case.folder / "inner"
    inner.mkdir()
    (inner / "_suite.yaml").write_text("suite: 1\nvariables: {other: inner}\ntools: {resolve_date: stub}\n")
    file = inner / "it.transcript.yaml"
    file.write_text("transcript: 1\nagent: ../agent.yaml\nturns:\n- include: hello\n- {id: b, user: '{{ other }}'}\n")
    transcript = load_transcript(file)
    assert dict(transcript.inputs.variables) == {"manner": "terse", "other": "inner"}
    assert [turn.id for turn in transcript.turns] == ["hello", "b"]
    assert transcript.turns[0].expect[0].location.path == case.folder / "_suite.yaml"
    assert transcript.modes == {"resolve_date": "stub"}


def test_check_warns_of_what_is_not_wrong_yet(recorded) -> None:
    recorded.change(recorded.file, "in: 60", "in: 61")
    recorded.change(recorded.file, "- id: as_json", "- id: json")
    assert [(problem.severity, problem.message) for problem in check_file(recorded.file)] == [
        ("warning", "this recording was edited by hand"),
        ("warning", "the recorded turn as_json is not in the script"),
    ]


def test_the_shipped_schema_is_the_assembled_one() -> None:
    shipped = (ROOT / "schemas" / "transcript.schema.json").read_text("utf-8")
    assert shipped == transcript_schema_text(), "run scripts/write_schemas.py"


def test_what_is_wrong_in_a_partial_is_told_at_its_own_place(case) -> None:
    suite = case.folder / "_suite.yaml"
    suite.write_text("suite: 1\npartials:\n  hello:\n  - user: Hi.\n    expect: [{regex: '('}]\n  - id: silent\n")
    case.change(case.file, "turns:\n", "turns:\n- include: hello\n")
    with pytest.raises(ConfigError) as caught:
        case.load()
    told = [(problem.path, problem.line) for problem in caught.value.problems]
    assert told == [(str(suite), 5), (str(suite), 6)]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("{outside}/dot.gif", "files: absolute paths are not allowed: name it from the transcript's folder"),
        ("../outside/dot.gif", "files: .. leads out of the transcript's folder"),
        ("sub/../../outside/dot.gif", "files: .. leads out of the transcript's folder"),
        ("link.gif", "files: a symlink leads out of the transcript's folder"),
        ("linked/dot.gif", "files: a symlink leads out of the transcript's folder"),
        ("~/dot.gif", "files: absolute paths are not allowed"),
        ("sub", "there is no file"),
        ("pipe", "there is no file"),
        ("a\\0b", "files: no file can have this name"),
    ],
)
def test_an_image_comes_from_the_folder_of_the_transcript(case, tmp_path: Path, name: str, said: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    inside = tmp_path / "inside"
    (inside / "sub").mkdir(parents=True)
    for folder in (outside, inside, inside / "sub"):
        (folder / "dot.gif").write_bytes(b"GIF89a")
    (inside / "link.gif").symlink_to(outside / "dot.gif")
    (inside / "own.gif").symlink_to(inside / "sub" / "dot.gif")
    (inside / "linked").symlink_to(outside)
    os.mkfifo(inside / "pipe")
    file = inside / "it.transcript.yaml"

    def naming(*names: str) -> str:
        quoted = ", ".join(f'"{each}"' for each in names)
        return f"transcript: 1\nagent: ../agent.yaml\nturns:\n- user: {{text: Look., files: [{quoted}]}}\n"

    file.write_text(naming("dot.gif", "./sub/dot.gif", "sub/../dot.gif", "own.gif"))
    assert len(load_transcript(file).turns[0].files) == 4
    file.write_text(naming(name.format(outside=outside)))
    with pytest.raises(ConfigError) as caught:
        load_transcript(file)
    assert f"{file}:4:31: error: {said}" in str(caught.value.problems[0])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: (folder / "_suite.yml").write_text("suite: 1\n"), "not read as a suite file (name it _suite"),
        (lambda folder: (folder / "_suite.yaml").write_text("# nothing\n"), "the file is empty"),
        (lambda folder: (folder / "_suite.yaml").mkdir(), "cannot be read"),
        (lambda folder: (folder / "_suite.yaml").symlink_to("nowhere"), "cannot be read"),
        (lambda folder: os.mkfifo(folder / "_suite.yaml"), "cannot be read"),
    ],
)
def test_a_suite_file_that_would_be_passed_over_is_an_error(case, make, said: str) -> None:
    make(case.folder)
    with pytest.raises(ConfigError, match=re.escape(said)):
        case.load()


def test_a_partial_includes_no_other(case) -> None:
    suite = "suite: 1\npartials: {a: [{include: b}, {include: b, user: Hi.}], b: [{user: Hi.}]}\n"
    (case.folder / "_suite.yaml").write_text(suite)
    case.change(case.file, "turns:\n", "turns:\n- include: a\n")
    with pytest.raises(ConfigError) as caught:
        case.load()
    assert [problem.message for problem in caught.value.problems] == ["a partial includes no other"] * 2
