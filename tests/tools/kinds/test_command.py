"""Real programs that do their worst: each ends in time, says what there is to say, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from runner.core.cancel import Cancel
from runner.core.errors import UsageError
from runner.core.messages import ToolCall, ToolResult
from runner.tools import Context, Toolbox, ToolEntry, ToolSettings, open_toolbox
from runner.tools.process_tree import ProcessTree

TEXT: dict[str, Any] = {"type": "string"}
OURS = {"STARTED_BY": f"test-{os.getpid()}"}


def our_processes() -> list[str]:
    """The command lines of all living processes that descend from a tool of this file."""
    mark = f"STARTED_BY={OURS['STARTED_BY']}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_text())
        except OSError:
            continue
    return found


@pytest.fixture(autouse=True)
def nothing_survives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AGENT_RUN_STATE_HOME", str(tmp_path / "state"))
    yield
    assert our_processes() == []


def box(base: Path, *run: str, opening: ToolSettings | None = None, **options: Any) -> Toolbox:
    options["env"] = OURS | options.get("env", {})
    declared = ToolEntry("command", "it", {"run": list(run), **options}, "a.yaml:3", base)
    return open_toolbox([declared], opening or ToolSettings(seconds=20, output_bytes=4000))


def ran(base: Path, *run: str, cancel: Cancel | None = None, **options: Any) -> ToolResult:
    arguments = options.pop("arguments", {})
    context = Context(cancel=cancel or Cancel())
    return box(base, *run, **options).call(ToolCall("1", "it", arguments), context)


def test_a_program_gives_its_output(tmp_path: Path) -> None:
    result = ran(tmp_path, "printf", "a\\nb")
    assert (result.output, result.failed) == ("a\nb", False)


def test_stderr_is_told_apart(tmp_path: Path) -> None:
    assert ran(tmp_path, "sh", "-c", "echo out; echo err >&2").output == "out\n\n[stderr]\nerr\n"
    assert ran(tmp_path, "true").output == "(no output)"


HOSTILE = [
    "a b",
    "$(touch canary)",
    "`touch canary`",
    "; touch canary",
    "| touch canary",
    "'\"\\",
    "a\nb",
    "*",
    "{x}",
    "",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_place_is_exactly_one_argument_and_no_shell_reads_it(tmp_path: Path, value: str) -> None:
    script = "import sys, json; print(json.dumps(sys.argv[1:]))"
    run = ("python3", "-c", script, "{x}", "pre-{x}")
    result = ran(tmp_path, *run, parameters={"x": TEXT}, arguments={"x": value})
    assert json.loads(result.output) == [value, f"pre-{value}"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("run", "declared", "value", "passes"),
    [
        (["echo", "{x}"], TEXT, "-n", False),
        (["echo", "{x}"], TEXT, "--output=/etc/passwd", False),
        (["echo", "{x}{y}"], TEXT, "-n", False),
        (["echo", "--", "{x}"], TEXT, "-n", True),
        (["echo", "--x={x}"], TEXT, "-n", True),
        (["echo", "{x}"], {"type": "integer"}, -3, True),
        (["echo", "{x}"], {"type": "string", "enum": ["-n", "-e"]}, "-n", True),
        (["echo", "{x}"], {"type": ["integer", "null"]}, -3, False),
        (["echo", "{x}"], {"type": ["integer", "number"]}, -3, True),
        (["echo", "{x}"], {}, "-n", False),
        (["echo", "{x}"], TEXT, "a-n", True),
    ],
)
def test_a_value_cannot_become_an_option_unless_declared(
    tmp_path: Path, run: list[str], declared: dict[str, Any], value: Any, passes: bool
) -> None:
    parameters = {"x": declared} | ({"y": {**TEXT, "default": ""}} if "{x}{y}" in run else {})
    result = ran(tmp_path, *run, parameters=parameters, arguments={"x": value})
    assert result.failed is not passes
    assert passes or "may not begin with '-'" in result.output


def test_defaults_fill_places(tmp_path: Path) -> None:
    count = {"type": "integer", "default": 10}
    assert ran(tmp_path, "echo", "-n", "{count}", parameters={"count": count}).output == "10"


def test_stdin_is_empty_or_what_the_template_says(tmp_path: Path) -> None:
    assert ran(tmp_path, "cat").output == "(no output)"
    fed = ran(tmp_path, "cat", parameters={"x": TEXT}, arguments={"x": "ä" * 1000}, stdin="<{x}>")
    assert fed.output == f"<{'ä' * 1000}>"


def test_a_program_that_does_not_read_its_input_ends_all_the_same(tmp_path: Path) -> None:
    options = {"parameters": {"x": TEXT}, "arguments": {"x": "x" * 1_000_000}, "stdin": "{x}"}
    assert ran(tmp_path, "true", **options).output == "(no output)"
    assert ran(tmp_path, "sh", "-c", "exec <&-; echo closed", **options).output == "closed\n"


def test_only_harmless_and_declared_variables_are_passed_on(tmp_path: Path) -> None:
    environ = dict(os.environ) | {"OPENAI_API_KEY": "sk-secret", "HTTPS_PROXY": "http://user:pw@proxy"}
    opening = ToolSettings(environ=environ)
    lines = ran(tmp_path, "env", env={"MINE": "yes"}, opening=opening).output.splitlines()
    names = {line.partition("=")[0] for line in lines}
    assert {"PATH", "MINE"} <= names
    assert not {"OPENAI_API_KEY", "HTTPS_PROXY"} & names


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (["no-such-program"], "'no-such-program' is not installed"),
        (["./missing.sh"], "missing.sh' is not installed"),
        (["sh", "-c", "echo out; echo why >&2; exit 3"], "exit code 3: sh -c"),
        (["sh", "-c", "kill -SEGV $$"], "ended by SIGSEGV: sh -c"),
    ],
)
def test_a_failure_says_how_and_where(tmp_path: Path, run: list[str], said: str) -> None:
    result = ran(tmp_path, *run)
    assert result.failed and said in result.output
    if "why" in run[-1]:
        assert result.output.splitlines()[1:] == [f"in {tmp_path}", "why", "", "out"]


def test_bytes_that_are_no_text_are_replaced(tmp_path: Path) -> None:
    assert ran(tmp_path, "printf", "a\\377b").output == "a\ufffdb"


def test_a_null_byte_is_refused(tmp_path: Path) -> None:
    result = ran(tmp_path, "echo", "{x}", parameters={"x": TEXT}, arguments={"x": "a\0b"})
    assert result.failed and "could not be started" in result.output


ENDLESS = (
    "sleep 60",
    "sleep 60 & wait",
    "setsid sleep 60 & wait",
    "cat <&0; sleep 60",
    "while :; do :; done",
)


def test_the_timeout_ends_it_and_all_its_kind(tmp_path: Path) -> None:
    started = time.monotonic()
    with ThreadPoolExecutor(len(ENDLESS)) as side_by_side:
        results = side_by_side.map(lambda script: ran(tmp_path, "sh", "-c", script, timeout=0.3), ENDLESS)
        for script, result in zip(ENDLESS, results, strict=True):
            assert result.failed and f"stopped after 0.3 s: {shlex.join(['sh', '-c', script])}" in result.output
    assert time.monotonic() - started < 12


@pytest.mark.parametrize(
    "script",
    [
        "sleep 60 & echo done",
        "sleep 60 >/dev/null 2>&1 & echo done",
        "setsid sleep 60 & echo done",
        "echo done; (yes &)",
    ],
)
def test_what_it_leaves_running_neither_delays_nor_survives_it(tmp_path: Path, script: str) -> None:
    started = time.monotonic()
    result = ran(tmp_path, "sh", "-c", script)
    assert not result.failed and "done" in result.output
    assert "left running" in result.output
    assert time.monotonic() - started < 8


ESCAPES = {
    "a session and an environment of its own": "setsid env -i sleep {} & echo done",
    "no open pipe, either": "setsid env -i sleep {} <&- >&- 2>&- & echo done",
    "two parents gone": "(setsid env -i sh -c '(sleep {} &) &' &); sleep 0.1; echo done",
    "deaf to signals": "setsid env -i sh -c 'trap \"\" TERM HUP INT; sleep {}; sleep {}' & sleep 0.1; echo done",
    "starting others": "setsid env -i sh -c 'while :; do sleep {} & sleep 0.02; done' & sleep 0.1; echo done",
}


def sleeping(seconds: str) -> list[Path]:
    entry = f"sleep\0{seconds}\0".encode()
    return [each for each in Path("/proc").glob("[0-9]*") if entry == cmdline(each)]


def cmdline(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives what is left behind a new parent")
@pytest.mark.parametrize("script", ESCAPES.values(), ids=ESCAPES)
def test_t12_nothing_escapes_the_tree_of_a_program(script: str, tmp_path: Path) -> None:
    seconds = f"61.{os.urandom(4).hex().translate(str.maketrans('abcdef', '123456'))}"
    result = ran(tmp_path, "sh", "-c", script.replace("{}", seconds))
    assert not result.failed and "done" in result.output
    assert "left running" in result.output
    assert sleeping(seconds) == []


@pytest.mark.skipif(sys.platform != "linux", reason="likewise")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_tree_ends_with_whoever_started_it(end: signal.Signals, tmp_path: Path) -> None:
    seconds = f"61.{os.getpid()}{end.value}"
    program = f"""
import sys
from pathlib import Path
from runner.tools.process_tree import ProcessTree
ProcessTree(["/bin/sh", "-c", "setsid env -i sleep {seconds} & sleep {seconds}"], env={{}}, cwd=Path("/"))
print("started", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None and starter.stdout.readline() == b"started\n"
        starter.send_signal(end)
        starter.wait(10)
    deadline = time.monotonic() + 5
    while sleeping(seconds) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sleeping(seconds) == []


@pytest.mark.skipif(sys.platform != "linux", reason="likewise")
@pytest.mark.parametrize("pause", ["true", "sleep 0.2", "sleep 60"])
def test_a_program_that_ends_its_supervisor_is_told_of(pause: str, tmp_path: Path) -> None:
    result = ran(tmp_path, "sh", "-c", f"kill -9 $PPID; {pause}")
    assert "something may still run" in result.output


@pytest.mark.parametrize(
    "name, content, mode, why",
    [
        ("gone", None, 0, "No such file"),
        ("closed", "#!/bin/sh", 0o600, "Permission denied"),
        ("other", "\x7fELF", 0o700, "Exec format error"),
    ],
)
def test_a_program_that_cannot_be_started_says_why(name: str, content: str | None, mode: int, why: str, tmp_path: Path):
    if content is not None:
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(mode)
    with pytest.raises(OSError, match=why):
        ProcessTree([str(tmp_path / name)], env={}, cwd=tmp_path)
    with pytest.raises(FileNotFoundError):  # nor is it looked for where we stand
        ProcessTree([name], env={}, cwd=tmp_path)


def test_cancelling_the_session_ends_it(tmp_path: Path) -> None:
    cancel = Cancel()
    threading.Timer(0.2, cancel.cancel).start()
    started = time.monotonic()
    result = ran(tmp_path, "sleep", "60", cancel=cancel)
    assert result.failed and "stopped by the user" in result.output
    assert time.monotonic() - started < 8


def test_closing_the_toolbox_ends_what_still_runs(tmp_path: Path) -> None:
    running = box(tmp_path, "sh", "-c", "touch started; setsid sleep 60 & sleep 60")
    thread = threading.Thread(target=running.call, args=(ToolCall("1", "it", {}), Context()))
    thread.start()
    while not (tmp_path / "started").exists():
        time.sleep(0.01)
    running.close()
    assert our_processes() == []
    thread.join(10)
    assert not thread.is_alive()


def test_endless_output_is_stopped_cut_and_kept(tmp_path: Path) -> None:
    result = ran(tmp_path, "yes", "ä")
    assert result.failed and "stopped after 64 MiB of output" in result.output
    assert len(result.output.encode()) < 4500
    kept = [each for each in (tmp_path / "state" / "outputs").iterdir() if str(each) in result.output]
    assert kept[0].stat().st_size >= 60 * 2**20


def test_the_agents_clock_leaves_time_to_end_it(tmp_path: Path) -> None:
    call = ToolCall("1", "it", {})
    assert (box(tmp_path, "true", timeout=3).seconds(call) or 0) > 3
    assert (box(tmp_path, "true").seconds(call) or 0) > 20


def test_it_runs_in_its_folder_with_programs_named_from_the_agents(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    script = tmp_path / "where.sh"
    script.write_text("#!/bin/sh\npwd\n")
    script.chmod(0o755)
    assert ran(tmp_path, "./where.sh", cwd="sub").output == f"{tmp_path / 'sub'}\n"


def test_a_program_in_the_working_folder_does_not_stand_in_for_one_on_path(tmp_path: Path) -> None:
    fake = tmp_path / "env"
    fake.write_text("#!/bin/sh\necho hijacked\n")
    fake.chmod(0o755)
    for path in (f".{os.pathsep}{os.environ['PATH']}", f"{os.pathsep}{os.environ['PATH']}"):
        assert "hijacked" not in ran(tmp_path, "env", opening=ToolSettings(environ={"PATH": path})).output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"run": ["{x}"], "parameters": {"x": TEXT}}, "may not be chosen by a parameter"),
        ({"run": ["echo", "{x}"]}, "{x} stands in it, but is not among its parameters"),
        ({"run": ["echo"], "parameters": {"x": TEXT}}, "its parameter 'x' is used nowhere"),
        ({"run": ["pwd"], "cwd": ".."}, "its cwd leads out of"),
        ({"run": ["pwd"], "cwd": "link"}, "its cwd leads out of"),
        ({"run": ["pwd"], "cwd": "/"}, "its cwd leads out of"),
    ],
)
def test_a_wrong_declaration_is_refused_with_its_place(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    (tmp_path / "link").symlink_to("/")
    with pytest.raises(UsageError, match=r"the tool 'it' cannot be made") as caught:
        open_toolbox([ToolEntry("command", "it", options, "a.yaml:3", tmp_path)])
    assert said in caught.value.what
    assert caught.value.where == "a.yaml:3"
