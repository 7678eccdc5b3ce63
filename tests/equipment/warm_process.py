"""`python -m runner` without its start-up: a process that has imported everything forks for each run.

Tests that hold what one whole process does, but not how it starts, run a few times faster with it.
"""

from __future__ import annotations

import atexit
import json
import os
import pkgutil
import random
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

import runner

_ROOT = Path(__file__).parent.parent.parent
_LAZY = ("dateparser.date", "jinja2", "jsonschema_rs")
"""What many runs import when they need it."""


def run(
    *arguments: str, cwd: Path, environment: Mapping[str, str], stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """What `agent-run ARGUMENTS` did, as subprocess.run tells it; without `stdin` the run has none."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        given.write((stdin or "").encode())
        given.seek(0)
        server = _server()
        asked = {"arguments": arguments, "cwd": str(cwd), "environment": dict(environment)}
        message = json.dumps(asked).encode()
        files = [given.fileno(), out.fileno(), errors.fileno()]
        socket.send_fds(server, [len(message).to_bytes(4, "big")], files)
        server.sendall(message)
        code = int.from_bytes(server.recv(4), "big", signed=True)
        texts = []
        for file in (out, errors):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess(["agent-run", *arguments], code, *texts)


def run_outside_ci(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What `agent-run ARGUMENTS` does in the folder on one's own machine, where `record` may write."""
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "FORCE_COLOR")}
    return run(*arguments, cwd=folder, environment=environment)


@cache
def _server() -> socket.socket:
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            cwd=_ROOT,
            env=os.environ | {"PYTHONPATH": str(_ROOT)},
            start_new_session=True,
        )
    ours.settimeout(60)
    atexit.register(_stop, ours, process)
    return ours


def _stop(ours: socket.socket, process: subprocess.Popen[bytes]) -> None:
    ours.close()
    process.wait(10)


def _serve(number: int) -> None:
    names = (module.name for module in pkgutil.walk_packages(runner.__path__, "runner."))
    for name in (*_LAZY, *names):
        if not name.endswith(("__main__", ".worker")):
            import_module(name)
    with socket.socket(fileno=number) as asker:
        while True:
            head, files, _, _ = socket.recv_fds(asker, 4, 3)
            if not head:
                return
            message = b""
            while len(message) < int.from_bytes(head, "big"):
                if not (piece := asker.recv(65_536)):
                    return  # whoever asked is gone
                message += piece
            if (child := os.fork()) == 0:
                asker.close()
                _become(json.loads(message), files)
            for file in files:
                os.close(file)
            _, status = os.waitpid(child, 0)
            asker.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))


def _become(asked: dict[str, object], files: list[int]) -> None:
    """The forked process as if it had just been started with these arguments."""
    from runner.cli import main  # where every module has been imported

    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(str(asked["cwd"]))
    os.environ.clear()
    os.environ.update(asked["environment"])  # type: ignore[call-overload]
    sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1)  # noqa: SIM115
    sys.argv = ["agent-run", *asked["arguments"]]  # type: ignore[misc]
    random.seed()
    main()


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
