"""Where the system is not POSIX, as Windows: all but programs and files as tools works, and those say so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HIDING = """
import os, signal, sys

for name in ("O_NOFOLLOW", "O_DIRECTORY", "O_CLOEXEC", "O_NONBLOCK", "O_ASYNC", "killpg", "fork", "register_at_fork",
             "setsid", "fwalk", "fchmod", "sched_getaffinity", "mkfifo", "getpgid"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGKILL", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGPIPE", "setitimer", "alarm"):
    if hasattr(signal, name):
        delattr(signal, name)
for name in ("fcntl", "pwd", "grp", "resource", "termios", "tty", "readline", "pty"):
    sys.modules[name] = None
os.environ.pop("CI", None)
"""
IMPORTING = """
import pkgutil
from importlib import import_module
import runner

for module in pkgutil.walk_packages(runner.__path__, "runner."):
    if not module.name.endswith("__main__"):
        import_module(module.name)
"""
RUNNING = "from runner.cli import run; print('exit', run(sys.argv[1:]))"
AGENT = """
gateway: scripted
model: m
tools:
- files: {root: .}
- command: {name: date, description: The date., run: [date]}
script:
- {text: "Let me look. ", calls: [{files_list: {}}, {date: {}}]}
- That is all.
"""
SCRIPT = """
transcript: 1
agent: agent.yaml
turns:
- user: What is there?
  expect: [{contains: all}]
"""


def elsewhere(code: str, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", HIDING + code, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60
    )


def test_every_module_can_be_imported():
    ran = elsewhere(IMPORTING)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_what_needs_posix_says_so_and_the_rest_works(tmp_path: Path):
    (tmp_path / "agent.yaml").write_text(AGENT)
    (tmp_path / "a.transcript.yaml").write_text(SCRIPT)
    for arguments in (["--version"], ["check", "."], ["show", "agent.yaml"], ["doctor"]):
        ran = elsewhere(RUNNING, *arguments, cwd=tmp_path)
        assert ran.stdout.endswith("exit 0\n"), (arguments, ran.stdout, ran.stderr)
    ran = elsewhere(RUNNING, "agent.yaml", "--trust", "--allow", "*", "-m", "go", "-v", cwd=tmp_path)
    assert ran.stdout.endswith("That is all.\nexit 0\n"), ran.stderr
    assert "the tools of `files:` need a POSIX system" in ran.stderr
    assert "programs as tools need a POSIX system" in ran.stderr
    record = ["record", "--trust", "--allow-writes", "."]
    assert elsewhere(RUNNING, *record, cwd=tmp_path).stdout.endswith("exit 0\n")
    assert elsewhere(RUNNING, "replay", ".", cwd=tmp_path).stdout.endswith("exit 0\n")
