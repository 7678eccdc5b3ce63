"""Files that try to get out, each by one way, through the command line; canaries show that none did.

The command line runs in the test's own process, which spares a hundred starts, wherever a process is not the point.

The comment at a file's top says what it tries and, for each way of using the file, the exit code that must come of it
and a text that must be said: `check`, `run` (not trusted), `trusted` (with --trust), `allowed`, `denied` (a tool, too).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from runner.cli import run

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.yaml"))
PARTS = sorted(file for file in (HERE / "parts").iterdir() if file.is_file())
SECRETS = {"AWS_SECRET_ACCESS_KEY": "CANARYaws0123456789abcdef", "OPENAI_API_KEY": "sk-CANARYopenai0123456789"}
DIRECTIVE = re.compile(r"^# (check|run|trusted|allowed|denied|replay|record): (\d+)(?:, (.*))?$", re.MULTILINE)
ONCE = ("--output", "jsonl", "-m", "hi")
ARGUMENTS = {
    "run": ("FILE", *ONCE),
    "trusted": ("FILE", "--trust", *ONCE),
    "allowed": ("FILE", "--trust", "--allow", "files_write", *ONCE),
    "denied": ("FILE", "--trust", "--deny", "go", *ONCE),
    "replay": ("replay", "FILE"),
    "record": ("record", "FILE"),
}
USES = [(file, *found) for file in FILES for found in DIRECTIVE.findall(file.read_text()) if found[0] != "check"]
CHECKED = [(file, *found[1:]) for file in FILES for found in DIRECTIVE.findall(file.read_text()) if found[0] == "check"]


THREAT = re.compile(r"^# threat: (T\d+)$", re.MULTILINE)
THREATS: dict[str, tuple[str, ...]] = {
    "T1": (
        "hostile/test_hostile.py::test_a_replay_runs_nothing_that_was_recorded",
        "config/trust/test_origins.py::test_t1_no_command_imports_a_package_that_was_not_consented_to",
        "config/trust/test_what_runs.py::test_t1_code_that_is_rewritten_while_the_question_stands_is_not_imported",
    ),
    "T2": (
        "hostile/test_hostile.py::test_a_key_does_not_follow_a_redirect",
        "config/validation/test_cleartext.py::test_t2_nothing_of_the_environment_goes_out_in_clear",
        "config/validation/test_cleartext.py::test_t2_the_same_rule_holds_when_it_is_sent",
    ),
    "T3": (
        "config/template/test_limits.py::test_t3_no_operation_outlasts_the_clock",
        "config/template/test_limits.py::test_t3_code_of_any_shape_is_read_and_rendered_within_the_clock",
    ),
    "T4": ("hostile/test_hostile.py::test_no_link_of_the_folder_is_written_through",),
    "T5": (
        "tools/kinds/test_declared_effects.py::test_t5_a_python_tool_is_taken_for_the_worst_unless_it_is_declared",
        "tools/test_permissions.py::test_t5_a_rule_that_can_match_nothing_is_told_with_the_nearest_name",
    ),
    "T6": (
        "config/trust/test_what_runs.py::test_t2_t6_each_file_that_a_program_runs_is_held_to_what_was_consented_to",
    ),
    "T7": (
        "hostile/test_hostile.py::test_a_place_in_the_path_stays_one_segment",
        "tools/kinds/test_http.py::test_t7_any_other_argument_is_one_segment",
    ),
    "T8": (
        "tools/mcp/test_stdio.py::test_what_changes_between_turns_is_not_used",
        "tools/mcp/test_stdio.py::test_damaged_pins_trust_nothing",
    ),
    "T9": ("gateways/local/test_gateway.py::test_t9_the_child_gets_what_it_needs_and_no_more",),
    "T10": (
        "transcripts/test_redaction.py::test_t10_a_secret_is_found_in_whatever_it_is_encoded",
        "transcripts/test_canary.py::test_t10_record_judges_what_the_recording_holds",
    ),
    "T11": (
        "hostile/test_hostile.py::test_no_text_of_a_file_moves_the_cursor",
        "cli/test_terminal_injection.py::test_t11_nothing_that_is_printed_is_obeyed",
        "config/trust/test_trust.py::test_t11_nothing_of_a_capability_is_pushed_out_of_sight",
    ),
    "T12": (
        "tools/kinds/test_agent.py::test_t12_agents_that_call_each_other_many_times_share_one_bound",
        "tools/kinds/test_command.py::test_t12_nothing_escapes_the_tree_of_a_program",
    ),
    "T13": ("config/trust/test_origins.py::test_t13_a_tool_that_is_called_like_a_built_in_is_not_run_without_trust",),
    "T14": ("gateways/local/test_models.py::test_t14_whatever_a_model_is_called_its_file_lies_in_the_cache",),
    "T15": (
        "transcripts/replaying/test_offline.py::test_neither_a_socket_nor_a_process",
        "cli/test_replay.py::test_nothing_is_updated_where_ci_is_set",
    ),
    "T16": (
        "core/test_bounded_data.py::test_t16_no_short_document_stands_for_a_huge_value",
        "core/test_bounded_data.py::test_t16_json_is_bounded_in_depth",
    ),
}
"""The threats that docs/trust.md answers, and what holds each beside the files that name it."""

SWEEPS = {
    "check": ["check", "FILE"],
    "show": ["show", "FILE"],
    "trust": ["trust", "FILE"],
    "chat": ["FILE", "-m", "hi"],
    "replay": ["replay", "FILE"],
    "replay -j 2": ["replay", "-j", "2", "FILE"],
    "record": ["record", "FILE"],
    "doctor": ["doctor", "FILE"],
}
"""What a person may do with a file before having said that it is trusted."""

OLLAMA = ("look up localhost", "connect ('127.0.0.1', 11434)", "connect ('::1', 11434, 0, 0)")
"""What `doctor` asks on its own account: whether a local server runs."""

SECONDS, MEGABYTES = 8, 500
ACTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]|(?m:^::[a-z]+ )")
"""What moves a cursor, hides or turns a text, or is a command to GitHub."""


@dataclass
class Server:
    """A loopback server that remembers the paths it was asked for; `leads_to` is where /redirect sends."""

    leads_to: str = ""
    asked: list[str] = field(default_factory=list)

    def __enter__(self) -> Server:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(f"{self.path} {self.headers.get('Authorization', '')}".strip())
                self.send_response(302 if self.path == "/redirect" else 200)
                self.send_header("Location", outer.leads_to)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_POST = do_GET

            def log_message(self, format: str, *arguments: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass(frozen=True)
class Ran:
    """One run of `agent-run`; whatever it was, nothing may have got out."""

    code: int
    out: str
    errors: str

    @property
    def said(self) -> str:
        return self.out + self.errors


@dataclass(frozen=True)
class Cage:
    """A folder with the corpus, something outside that must stay untouched, and two servers, one of them forbidden."""

    home: Path
    honest: Server
    canary: Server

    capsys: pytest.CaptureFixture[str]

    def run(self, *arguments: str) -> Ran:
        code = run(list(arguments))
        out, errors = self.capsys.readouterr()
        return Ran(code, out, errors)

    def use(self, file: str, use: str) -> Ran:
        """One of the ways of using a file of the corpus."""
        return self.run(*(file if word == "FILE" else word for word in ARGUMENTS[use]))

    @property
    def environment(self) -> dict[str, str]:
        homes = {f"AGENT_RUN_{kind}_HOME": str(self.home / "user" / kind) for kind in ("CONFIG", "STATE", "CACHE")}
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return {**kept, **homes, **SECRETS, "HOME": str(self.home / "outside")}

    def check(self, ran: Ran) -> None:
        assert ran.code in (0, 1, 2, 3, 4, 5, 6), ran.said
        assert "Traceback" not in ran.said
        assert "CANARY" not in ran.said.replace(str(self.home), ""), "a secret was shown"
        assert not [*self.home.rglob("PWNED*"), *self.home.rglob("dangling-target")], "something ran or was written"
        assert not self.canary.asked, "a forbidden server was asked"
        assert not [each for each in self.honest.asked if "CANARY" in each and "redirect" not in each]


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Server, Server]]:
    """The honest one, which redirects to the forbidden one."""
    with Server() as canary, Server(f"http://localhost:{canary.port}/stolen") as honest:
        yield honest, canary


@pytest.fixture
def cage(
    servers: tuple[Server, Server],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Cage:
    honest, canary = servers
    for server in servers:
        server.asked.clear()
    outside, agent = tmp_path / "outside", tmp_path / "agent"
    outside.mkdir()
    (outside / "secret.txt").write_text("CANARY-file")
    (outside / "base.yaml").write_text("gateway: scripted\nmodel: m\nscript: [{text: CANARY-base}]\n")
    shutil.copy(HERE / "parts" / "canary.py", outside)
    (agent / "parts").mkdir(parents=True)
    places = {
        "CANARY": canary.port,
        "HONEST": honest.port,
        "OUTSIDE": outside,
        "PYTHON": sys.executable,
        "LONG": "a" * 400,
    }
    for file in (*FILES, *PARTS):
        text = re.sub(r"__([A-Z]+)__", lambda found: str(places[found[1]]), file.read_text())
        (agent / file.relative_to(HERE)).write_text(text)
    (agent / ("a" * 240)).touch()
    (agent / "link").symlink_to(outside)
    (agent / "dangling").symlink_to(outside / "dangling-target")
    cage = Cage(tmp_path, honest, canary, capsys)
    monkeypatch.chdir(agent)
    environment = cage.environment
    for name in os.environ:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return cage


def test_the_corpus_says_what_it_tries():
    for file in FILES:
        assert re.match(r"# [A-Z].*\.\n# threat: T\d+\n", file.read_text()), f"{file.name} does not say what it tries"


def test_each_threat_is_held():
    held = {file.name: THREAT.search(file.read_text()) for file in FILES}
    files = {threat: [name for name, found in held.items() if found and found[1] == threat] for threat in THREATS}
    assert len(FILES) >= 150
    for threat, tests in THREATS.items():
        assert tests and len(files[threat]) >= 2, f"{threat} is held by {files[threat]} and {tests}"
        for name in tests:
            path, _, test = name.partition("::")
            assert f"def {test}(" in (HERE.parent / path).read_text(), name


@pytest.mark.parametrize(
    "use", [use if use == "replay" else pytest.param(use, marks=pytest.mark.slow) for use in SWEEPS]
)
def test_no_command_does_anything_for_a_file_that_is_not_trusted(cage: Cage, use: str):
    files = [
        file.name for file in FILES if use not in ("replay", "replay -j 2", "record") or ".transcript." in file.name
    ]
    report = cage.home / "report.jsonl"
    arguments = [str(report), *SWEEPS[use], "--", *files]
    done = subprocess.run(
        [sys.executable, "-P", "-B", str(HERE / "sweep.py"), *arguments],
        env={**cage.environment, "PYTHONPATH": str(HERE.parent.parent)},
        input="",
        capture_output=True,
        text=True,
        timeout=300,
    )
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert "megabytes" in lines[-1], f"it ended at {files[len(lines) :][:1]}: {done.stderr}"
    wrong = [problem for line in lines[:-1] for problem in problems_of(line, use)]
    assert not wrong, "\n".join(wrong)
    assert lines[-1]["megabytes"] < MEGABYTES
    cage.check(Ran(0, "", "".join(line["said"] for line in lines[:-1])))


def problems_of(line: dict[str, Any], use: str) -> Iterator[str]:
    """What one command may not have done with one file."""
    if line["code"] not in (0, 1, 2, 3, 4, 5, 6):
        yield f"{use} {line['file']}: code {line['code']}: {line['said']}"
    if line["seconds"] > SECONDS:
        yield f"{use} {line['file']}: {line['seconds']:.1f} s"
    if found := ACTIVE.search(line["said"]):
        yield f"{use} {line['file']}: says {found[0]!r}"
    expected = OLLAMA if use == "doctor" else ()
    yield from (f"{use} {line['file']}: did {each}" for each in line["did"] if each not in expected)


def test_checking_the_whole_corpus_does_nothing(cage: Cage):
    ran = cage.run("check", "--format", "json", ".")
    cage.check(ran)
    problems: dict[str, list[str]] = {}
    for each in json.loads(ran.out):
        if each["severity"] == "error":
            problems.setdefault(Path(each["file"]).name, []).append(f"{each['message']} {each['hint']}")
    for file, code, text in CHECKED:
        found = "\n".join(problems.get(file.name, []))
        assert bool(found) == (code == "2"), f"{file.name}: {found or 'no problem was found'}"
        assert text in found, file.name


@pytest.mark.parametrize(("file", "use", "code", "text"), USES, ids=[f"{use[0].stem}-{use[1]}" for use in USES])
def test_using_a_file_lets_nothing_out(cage: Cage, file: Path, use: str, code: str, text: str):
    ran = cage.use(file.name, use)
    cage.check(ran)
    assert ran.code == int(code), ran.said
    assert text in ran.said


def test_a_place_in_the_path_stays_one_segment(cage: Cage):
    cage.use("http_path.yaml", "trusted")
    assert cage.honest.asked
    for asked in cage.honest.asked:
        assert re.fullmatch(r"/open/[^/?#]+\?q=[^&#]+", asked), asked


def test_a_key_does_not_follow_a_redirect(cage: Cage):
    cage.use("http_redirect.yaml", "trusted")
    assert cage.honest.asked == [f"/redirect Bearer {SECRETS['OPENAI_API_KEY']}"]


@pytest.mark.parametrize("arguments", ["show FILE", "trust FILE", "FILE", "FILE --trust -v -m hi"])
def test_no_text_of_a_file_moves_the_cursor(cage: Cage, at_terminal: Callable[..., Any], arguments: str):
    words = arguments.replace("FILE", "control_characters.yaml").split()
    terminal = at_terminal(*words, cwd=cage.home / "agent", **cage.environment)
    terminal.child.logfile_read = seen = Seen()
    if arguments in ("trust FILE", "FILE"):
        terminal.expect("Trust this file")
        terminal.type("no")
    terminal.ended()
    assert seen.text
    for active in ("\x1b[2J", "\x1b]", "\x07", "\x1b[8m", "\x1b[1A", "\u202e", "\x1b[31m"):
        assert active not in seen.text


class Seen:
    """What came to the screen."""

    text = ""

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        """It is there at once."""


TRANSCRIPT = "transcript: 1\nagent: command_runs.yaml\nturns: [{id: one, user: hi, expect: [{contains: done}]}]\n"


def test_a_replay_runs_nothing_that_was_recorded(cage: Cage):
    mark = cage.home / "agent" / "PWNED"
    transcript = cage.home / "agent" / "t.transcript.yaml"
    transcript.write_text(TRANSCRIPT)
    assert cage.run("record", "t.transcript.yaml").code == 6
    assert not mark.exists()
    assert cage.run("record", "--trust", "t.transcript.yaml").code == 0
    mark.unlink()
    recorded = transcript.read_text()
    for mode, code in (("stub", 0), ("forbid", 1), ("execute", 6), ("verify", 6), (None, 6)):
        tools = f"tools: {{go: {mode}}}\n" if mode else ""
        transcript.write_text(recorded.replace("turns: [{", f"{tools}turns: [{{", 1))
        ran = cage.run("replay", "t.transcript.yaml")
        assert not mark.exists(), mode
        assert ran.code == code, ran.said


@pytest.mark.parametrize("command", [(), ("chat",), ("check",), ("show",), ("trust",), ("doctor",), ("replay",)])
def test_help_does_nothing(cage: Cage, command: tuple[str, ...]):
    ran = cage.run(*command, "--help")
    cage.check(ran)
    assert ran.code == 0


@pytest.mark.parametrize("file", ["python_runs.yaml", "command_runs.yaml", "mcp_starts.yaml", "key_to_gateway.yaml"])
def test_to_diagnose_a_file_runs_nothing_of_it(cage: Cage, file: str):
    ran = cage.run("doctor", file)
    cage.check(ran)
    assert ran.code == 6


def test_no_link_of_the_folder_is_written_through(cage: Cage):
    """What `record` and `replay` write for themselves, where the folder that came along has links in its place."""
    folder, outside = cage.home / "linked", cage.home / "outside"
    folder.mkdir()
    long = "otter " * 1000
    (folder / "agent.yaml").write_text(f"gateway: scripted\nmodel: m\nscript: [{{text: {long}}}]\n")
    transcript = folder / "t.transcript.yaml"
    transcript.write_text(
        "transcript: 1\nagent: agent.yaml\nturns: [{id: one, user: hi, expect: [{contains: otter}]}]\n"
    )
    script = transcript.read_text()
    (folder / ".blobs").symlink_to(outside)
    assert cage.run("record", str(transcript)).code == 2
    (folder / ".blobs").unlink()
    assert cage.run("record", str(transcript)).code == 0
    (blob,) = (folder / ".blobs").iterdir()
    blob.unlink()
    blob.symlink_to(outside / "PWNED")
    transcript.write_text(script)
    assert cage.run("record", str(transcript)).code == 0
    assert not blob.is_symlink()
    transcript.write_text(transcript.read_text().replace("contains: otter", "contains: beaver"))
    os.chdir(folder)
    for link, target in ((".agent-run", outside), (".agent-run/failed.json", outside / "PWNED")):
        (folder / link).parent.mkdir(exist_ok=True)
        (folder / link).symlink_to(target)
        assert cage.run("replay", str(transcript)).code == 1
        if link == ".agent-run":
            (folder / link).unlink()
    (folder / ".blobs").rename(outside / "mine")
    (folder / ".blobs").symlink_to(outside)
    kept = sorted(outside.iterdir())
    cage.run("replay", "--update", "prune", str(transcript))
    assert sorted(outside.iterdir()) == kept
    assert not [*cage.home.rglob("PWNED*"), *outside.rglob("failed.json")]
