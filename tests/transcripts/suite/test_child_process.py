"""Cells that run the code of others run in processes of their own: nothing they do reaches another cell or the run."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from runner.config.diagnostics import Location
from runner.core.foreign_code import ended_after
from runner.transcripts.outcome import Outcome
from runner.transcripts.suite.cell import Cell
from warm_process import run_outside_ci as run

AGENT = "gateway: scripted\nmodel: demo\nsystem_prompt: You count.\nscript: [{text: one}]\n"
TOOL_AGENT = """\
gateway: scripted
model: demo
system_prompt: You count.
tools: [{python: 'tools.py:count'}]
script: [{calls: [{count: {}}]}, {text: one}]
"""
SCRIPT = "transcript: 1\nagent: agent.yaml\nturns:\n- id: ask\n  user: Count.\n  expect:\n  - contains: one\n"
USES_TOOL = """\
transcript: 1
agent: toolagent.yaml
tools: {count: verify}
turns:
- id: ask
  user: Count.
  answers: {approve: [count]}
  expect:
  - contains: one
"""
CLEAN = """\
import builtins, gc, os, signal, sys, threading, warnings
def clean(facts):
    import json
    assert not hasattr(builtins, "spoilt") and open is not None and len([1]) == 1
    assert os.getcwd() == os.path.dirname(os.path.abspath(__file__))
    assert sys.getrecursionlimit() > 500 and signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
    assert not any(kind == "error" for kind, *_ in warnings.filters)
    assert "spoilt" not in os.environ and json.dumps([1]) == "[1]" and gc.isenabled()
    assert threading.active_count() == 1
"""
CRASHES = {
    "forks": "os.fork()",
    "forks and stays": "if os.fork() == 0:\n        time.sleep(3); os._exit(0)\n    os._exit(0)",
    "thread raises": "threading.Thread(target=lambda: 1 / 0).start()",
    "thread stays": "threading.Thread(target=time.sleep, args=(30,)).start()",
    "thread exits": "threading.Thread(target=os._exit, args=(3,)).start(); time.sleep(5)",
    "changes folder": "os.chdir('/')",
    "closes stdout": "os.close(1); os.close(0); sys.stdout.close()",
    "closes everything": "os.closerange(0, 200)",
    "deletes the transcript": "os.remove('b.transcript.yaml')",
    "recursion limit": "sys.setrecursionlimit(60)",
    "modules": "sys.modules['json'] = None; sys.modules.pop('runner.transcripts.outcome')",
    "builtins": "builtins.spoilt = 1; builtins.open = None",
    "warnings": "warnings.simplefilter('error')",
    "del raises": "x = type('X', (), {'__del__': lambda self: 1 / 0})()",
    "exit handler": "atexit.register(os._exit, 0)",
    "alarm": "signal.alarm(1); time.sleep(3)",
    "alarm later": "signal.alarm(1)",
    "signals": "signal.signal(signal.SIGUSR1, signal.SIG_IGN)",
    "environment": "os.environ['spoilt'] = '1'",
    "garbage": "gc.disable()",
    "segfault": "ctypes.string_at(0)",
    "abort": "os.abort()",
    "stops itself": "os.kill(os.getpid(), signal.SIGTERM)",
    "traces": "sys.settrace(lambda *a: 1 / 0)",
    "exec": "os.execvp('true', ['true'])",
}
"""What a check or a tool does."""
HEAD = "import atexit, builtins, ctypes, gc, os, signal, sys, threading, time, warnings\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three transcripts, recorded; all but the middle one then see that nothing is spoilt."""
    (tmp_path / "agent.yaml").write_text(AGENT)
    (tmp_path / "checks.py").write_text(CLEAN)
    for name in "abc":
        (tmp_path / f"{name}.transcript.yaml").write_text(SCRIPT)
    done = run(tmp_path, "record", ".")
    assert done.returncode == 0, done.stderr
    for name in "ac":
        add_check(tmp_path / f"{name}.transcript.yaml", "checks.py:clean")
    return tmp_path


def add_check(file: Path, check: str) -> None:
    file.write_text(file.read_text().replace("contains: one\n", f"contains: one\n  - python: '{check}'\n"))


@pytest.mark.slow
@pytest.mark.parametrize("crash", CRASHES)
def test_nothing_that_a_check_does_reaches_another_cell(crash: str, folder: Path) -> None:
    (folder / "bad.py").write_text(f"{HEAD}def bad(facts):\n    {CRASHES[crash]}\n")
    add_check(folder / "b.transcript.yaml", "bad.py:bad")
    text = (folder / "b.transcript.yaml").read_text()
    for how in (("replay",), ("replay", "-j", "2"), ("replay", "--live"), ("record",)):
        (folder / "b.transcript.yaml").write_text(text)
        started = time.monotonic()
        done = run(folder, how[0], "--trust", *how[1:], ".")
        assert time.monotonic() - started < 10, how
        assert ("3 pass" in done.stdout, done.returncode) in {(True, 0), (False, 1), (False, 2), (False, 4)}, (
            how,
            done,
        )
        assert "3 pass" in done.stdout or "· 2 pass" in done.stdout, (how, done.stdout, done.stderr)
        assert "a bug in agent-run" not in done.stdout


@pytest.mark.parametrize("how", [(), ("-j", "2"), ("--trust",)], ids=" ".join)
@pytest.mark.parametrize(("crash", "code"), [("os._exit(0)", 4), ("sys.exit(0)", 1), ("os.abort()", 4)])
def test_a_tool_that_is_trusted_for_good_costs_its_own_cell_alone(
    crash: str, code: int, how: tuple[str, ...], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_RUN_CONFIG_HOME", str(tmp_path / "home"))
    (folder / "tools.py").write_text("def count() -> int:\n    'Count.'\n    return 1\n")
    (folder / "toolagent.yaml").write_text(TOOL_AGENT)
    for name in "ac":
        (folder / f"{name}.transcript.yaml").write_text(SCRIPT)
    (folder / "b.transcript.yaml").write_text(USES_TOOL)
    assert run(folder, "record", "--trust", ".").returncode == 0
    (folder / "tools.py").write_text(f"import os, sys\ndef count() -> int:\n    'Count.'\n    {crash}\n")
    assert run(folder, "trust", "--yes", "toolagent.yaml").returncode == 0
    done = run(folder, "replay", *how, ".")
    assert (done.returncode, "· 2 pass" in done.stdout) == (code, True), done


def test_a_cell_without_end_is_stopped() -> None:
    def forever() -> Outcome:
        while True:
            pass

    cell = Cell(Path("a.yaml"), "m/1", Location(Path("a.yaml"), 3), forever, runs_code=True, seconds=0.3)
    started = time.monotonic()
    outcome = cell.outcome()
    assert time.monotonic() - started < 3
    assert outcome is not None and (outcome.verdict, outcome.exit_code) == ("error", 4)
    assert "this cell did not end within 0.3 s, and was stopped" in outcome.findings[0].what


@pytest.mark.parametrize("work", [lambda: time.sleep(5), lambda: [None for _ in iter(int, 1)]])
def test_a_check_without_end_fails(work: object) -> None:
    with pytest.raises(TimeoutError, match=r"it did not end within 0\.1 s"), ended_after(0.1):
        work()  # type: ignore[operator]
    with ended_after(0.05):
        pass
    time.sleep(0.1)


@pytest.mark.parametrize(("crash", "code"), [("sys.exit(0)", 0), ("os._exit(0)", 4), ("1 / 0", 0)])
def test_mutations_of_other_files_are_judged_whatever_one_runs_into(crash: str, code: int, folder: Path) -> None:
    for name in "ac":
        file = folder / f"{name}.transcript.yaml"
        file.write_text(file.read_text().replace("python: 'checks.py:clean'", "words: {min: 0}"))
    (folder / "bad.py").write_text(f"{HEAD}def bad(facts):\n    {crash}\n")
    add_check(folder / "b.transcript.yaml", "bad.py:bad")
    untrusted = run(folder, "check", "--mutate", ".")
    assert untrusted.returncode == 6
    assert "b.transcript.yaml:1:1: error: the expectation python: bad.py:bad runs code" in untrusted.stdout
    done = run(folder, "check", "--mutate", "--trust", ".")
    assert done.returncode == code, done
    for output in (untrusted.stdout, done.stdout):
        for name in "ac":
            assert f"{name}.transcript.yaml:8:5: warning: words: nothing that" in output
