"""What users and their programs see, held against text files in `snapshots/`.

`AGENT_RUN_REWRITE=1 pytest tests/public` writes them anew: read the diff, since every line of it is a change that
somebody may notice.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runner import __version__
from runner.cli import COMMANDS, run

HERE = Path(__file__).parent
SNAPSHOTS = HERE / "snapshots"
SCHEMAS = HERE.parents[1] / "schemas"
REWRITE = "AGENT_RUN_REWRITE"
REWRITING = bool(os.environ.get(REWRITE))
KEPT = ("PATH", "SYSTEMROOT", "TMPDIR", "TEMP")

# The command line after `agent-run`, what stdin holds, and variables of the environment.
MISUSES: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("", "", {}),
    ("no-such-file.yaml -m hi", "", {}),
    ("chekc calm.yaml", "", {}),
    ("calm.yaml --no-such-option", "", {}),
    ("calm.yaml --output xml -m hi", "", {}),
    ("calm.yaml", "", {}),
    ("calm.yaml -m ''", "", {}),
    ("calm.yaml -m hi --gateway nowhere", "", {}),
    ("calm.yaml -m hi --var nobody=1", "", {}),
    ("calm.yaml -m hi --var place", "", {}),
    ("calm.yaml -m hi --set options.temprature=1", "", {}),
    ("calm.yaml -m hi --gateway openai --model gpt-4.1-mini", "", {}),
    ("calm.yaml -m hi --attach tool.py", "", {}),
    ("calm.yaml", "  \n", {}),
    ("calm.yaml -m one -m two", "", {}),
    ("calm.yaml -m hi --deny (", "", {}),
    ("agent.yaml -m hi", "", {}),
    ("keyless.yaml -m hi", "", {}),
    ("bad.yaml -m hi", "", {}),
    ("typed.yaml -m hi", "", {}),
    ("trust typed.yaml", "", {}),
    ("trust", "", {}),
    ("asking.yaml -m hi", "", {}),
    ("failing.yaml -m hi", "", {}),
    ("failing.yaml -m hi --output json", "", {}),
    ("check", "", {}),
    ("check nowhere", "", {}),
    ("check bad.yaml", "", {}),
    ("check empty", "", {}),
    ("show nowhere.yaml", "", {}),
    ("show calm.yaml --permissions nonsense(", "", {}),
    ("replay empty", "", {}),
    ("replay nowhere.transcript.yaml", "", {}),
    ("replay replays/pass.transcript.yaml --report nothing", "", {}),
    ("replay replays/pass.transcript.yaml --report json --report tap", "", {}),
    ("replay replays/pass.transcript.yaml --as-recorded", "", {}),
    ("replay replays/pass.transcript.yaml --chunking odd", "", {}),
    ("replay replays/pass.transcript.yaml --update nothing", "", {}),
    ("replay replays/pass.transcript.yaml --only tag:none", "", {}),
    ("replay replays/missing.transcript.yaml --update recording", "", {"CI": "1"}),
    ("record replays/missing.transcript.yaml", "", {"CI": "1"}),
    ("schema nothing", "", {}),
    ("pull no-such-model", "", {}),
    ("doctor nowhere.yaml", "", {}),
)


@dataclass(frozen=True)
class Ran:
    """A finished run of the command."""

    code: int
    out: str
    err: str

    @property
    def shown(self) -> str:
        parts = [f"exit {self.code}\n"]
        for name, text in (("stdout", self.out), ("stderr", self.err)):
            if text:
                parts.append(f"--- {name}\n{text}" + ("" if text.endswith("\n") else "\n(no line end)\n"))
        return "".join(parts)


class Shell:
    """Runs the command in this process, in a folder of its own, with nothing of this machine's settings."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._patch = monkeypatch

    def __call__(self, *arguments: str, stdin: str = "", **variables: str) -> Ran:
        out, err = io.StringIO(), io.StringIO()
        with self._patch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr(sys, "stdin", io.StringIO(stdin))
            for name, value in variables.items():
                patch.setenv(name, value)
            code = run(list(arguments))
        return Ran(code, self._plain(out.getvalue()), self._plain(err.getvalue()))

    def _plain(self, text: str) -> str:
        """The text without the machine, the day and the time it took."""
        text = text.replace(str(self._folder), "FOLDER").replace(__version__, "VERSION")
        text = re.sub(r"\b\d+\.\d+ s\b", "N s", text)
        text = re.sub(r'"(seconds|ms)": \d+(\.\d+(e-\d+)?)?', r'"\1": 0', text)
        text = re.sub(r'"session": "[^"]+"', '"session": "ID"', text)
        text = re.sub(r'(time|timestamp|hostname)="[^"]*"', r'\1=""', text)
        return re.sub(r"\bs_[0-9a-f]{16}\b", "ID", text)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    folder = tmp_path / "cases"
    shutil.copytree(HERE / "cases", folder)
    (folder / "empty").mkdir()
    home = tmp_path / "home"
    home.mkdir()
    for name in [name for name in os.environ if name not in KEPT]:
        monkeypatch.delenv(name)
    for name in ("HOME", "AGENT_RUN_CONFIG_HOME", "AGENT_RUN_STATE_HOME"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(folder)
    return Shell(folder, monkeypatch)


def api() -> Any:
    """The module beside this one, which no package holds."""
    spec = importlib.util.spec_from_file_location("public_api", HERE / "api.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def help_texts(shell: Shell) -> str:
    texts = [f"$ agent-run --help\n{shell('--help').shown}"]
    texts += [f"$ agent-run {name} --help\n{shell(name, '--help').shown}" for name in COMMANDS]
    return "\n".join(texts)


def schemas(shell: Shell) -> str:
    def line(name: str, text: str) -> str:
        return f"{name}  {hashlib.sha256(text.encode()).hexdigest()}\n"

    report = (SCHEMAS / "report.schema.json").read_text("utf-8")
    printed = {f"schema {kind}": shell("schema", kind).out for kind in ("agent", "transcript")}
    return "".join(line(name, text) for name, text in {**printed, "report.schema.json": report}.items())


def report(form: str) -> Callable[[Shell], str]:
    return lambda shell: shell("replay", "replays", "--report", form).shown


def checked(form: str) -> Callable[[Shell], str]:
    return lambda shell: shell("check", "bad.yaml", "bad.transcript.yaml", "--format", form).shown


def command(*arguments: str, stdin: str = "") -> Callable[[Shell], str]:
    return lambda shell: shell(*arguments, stdin=stdin).shown


def doctor(shell: Shell) -> str:
    """The keys and topics; what they say is this machine's."""
    ran = shell("doctor", "agent.yaml", "--format", "json")
    found = json.loads(ran.out)
    topics = dict.fromkeys(each["topic"] for each in found)
    keys = dict.fromkeys(tuple(each) for each in found)
    return "".join(f"{line}\n" for line in [f"exit {ran.code}", *map(", ".join, keys), *topics])


def misuses(shell: Shell) -> str:
    """Each with its exit code and our own words; click's words are its version's, the doctor's the machine's."""
    return "\n".join(_misuse(shell, *each) for each in MISUSES)


def _misuse(shell: Shell, line: str, stdin: str, variables: Mapping[str, str]) -> str:
    arguments = ["" if word == "''" else word for word in line.split()]
    ran = shell(*arguments, stdin=stdin, **variables)
    of_others = any(text.startswith("Usage:") for text in (ran.out, ran.err)) or line.startswith("doctor")
    words = "" if of_others else ran.out + ran.err
    shown = " ".join([*(f"{name}={value}" for name, value in variables.items()), "agent-run", line]).rstrip()
    return f"$ {shown}\nexit {ran.code}\n{words}"


PUBLIC: Mapping[str, Callable[[Shell], str]] = {
    "api": lambda shell: api().described(),
    "errors": lambda shell: api().errors(),
    "help": help_texts,
    "schemas": schemas,
    **{f"replay-{form}": report(form) for form in ("console", "github", "json", "junit", "tap")},
    **{f"check-{form}": checked(form) for form in ("text", "json", "github", "sarif")},
    "show-text": command("show", "agent.yaml"),
    "show-json": command("show", "agent.yaml", "--format", "json", "--var", "place=Rome"),
    "show-permissions": command("show", "agent.yaml", "--permissions", 'greet({"name": "x"})'),
    "doctor": doctor,
    "trust": command("trust", "typed.yaml", "--yes"),
    "chat-text": command("agent.yaml", "-m", "When?", "-m", "Thanks.", "--trust", "--allow", "resolve_date"),
    "chat-verbose": command("agent.yaml", "-v", "-m", "When?", "--trust", "--allow", "resolve_date"),
    "chat-lines": command("agent.yaml", "--lines", "--trust", "--allow", "resolve_date", stdin="When?\n\nThanks.\n"),
    "chat-json": command("agent.yaml", "--output", "json", "-m", "When?", "--trust", "--allow", "resolve_date"),
    "chat-jsonl": command("agent.yaml", "--output", "jsonl", "--trust", "--allow", "resolve_date", stdin="When?"),
    "chat-denied": command("asking.yaml", "--output", "jsonl", "-m", "When?"),
    "chat-failed": command("failing.yaml", "--output", "jsonl", "-m", "When?"),
    "misuse": misuses,
}


@pytest.mark.parametrize("name", PUBLIC)
def test_what_is_public_stays(name: str, shell: Shell) -> None:
    today = PUBLIC[name](shell)
    file = SNAPSHOTS / f"{name}.txt"
    if REWRITING:
        file.write_text(today, "utf-8")
    assert today == file.read_text("utf-8"), f"if this change is meant, {REWRITE}=1 pytest tests/public writes it anew"


def test_there_is_no_snapshot_of_nothing() -> None:
    assert {path.stem for path in SNAPSHOTS.iterdir()} == set(PUBLIC)
