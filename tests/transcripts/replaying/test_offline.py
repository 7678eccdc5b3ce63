"""A replay opens no socket and starts no process: the interpreter itself is told to forbid both."""

from __future__ import annotations

import subprocess
import sys

FORBIDDING = """
import sys

def forbid(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.fork", "os.exec", "os.spawn", "os.posix_spawn", "os.system")):
        raise RuntimeError(f"{event} in a replay")

from runner.cli import run
sys.addaudithook(forbid)
sys.exit(run(["replay", *sys.argv[1:]]))
"""


# A check runs in a process of its own, which the replay forks.
FORBIDDING_SOCKETS = FORBIDDING.replace('"os.fork", ', "")


def replay(*arguments: str, code: str = FORBIDDING) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_neither_a_socket_nor_a_process(recorded) -> None:
    done = replay(str(recorded.file))
    assert (done.returncode, done.stderr) == (0, "")


def test_the_ban_works(recorded) -> None:
    (recorded.folder / "checks.py").write_text("import socket\ndef dial(facts):\n    socket.socket()\n")
    recorded.change(recorded.file, "- id: as_json\n", "- id: as_json\n  expect: [{python: 'checks.py:dial'}]\n")
    done = replay(str(recorded.file), "--trust", code=FORBIDDING_SOCKETS)
    assert done.returncode == 1
    assert "socket.__new__ in a replay" in done.stdout


def test_servers_and_commands_of_the_agent_are_not_started(case) -> None:
    case.agent.write_text(
        "gateway: openai\nmodel: gpt-x\n"
        "tools:\n"
        "- mcp: {name: time, command: [no-such-server]}\n"
        "- command: {name: log, description: Log., run: [no-such-command]}\n"
        "- http: {name: weather, description: W., method: GET, url: 'https://api.example.org/${env:CITY_TOKEN}'}\n"
    )
    case.file.write_text(
        "transcript: 1\nagent: agent.yaml\nturns: [{id: t, user: 'What time is it?', expect: [{contains: noon}]}]\n"
        "---\nrecording: hand/noon\nturns:\n  t:\n"
        "  - reply: {}\n    calls: [{time__get_current_time: {}, returned: '12:00'}, {log: {}, returned: ''}]\n"
        "  - reply: {}\n    text: It is noon.\n"
    )
    done = replay(str(case.file))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
