"""`sweep.py REPORT COMMAND… -- FILE…`: one command on each file in this process, and what it did meanwhile.

A line of JSON a file: its exit code, its output, the seconds, and each program started, socket connected, module of
these files run and file written outside of the user's own folders. Ends when more memory is taken than LIMIT.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runner.cli import run

LIMIT = 3_000_000_000
"""Bytes of address space; what is resident is told at the end."""

HERE = str(Path.cwd())
OURS = tuple(os.environ[f"AGENT_RUN_{kind}_HOME"] for kind in ("CONFIG", "STATE", "CACHE"))
RECORDS = (".agent-run/", *(f".{file}." for file in sys.argv if file.endswith(".transcript.yaml")))
"""What `replay` remembers, and the transcripts that `record` writes."""

STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "pty.spawn")

did: list[str] = []


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """What a file that is not trusted may not do, noted."""
    if event in STARTS:
        did.append(f"{event} {arguments[:2]}")
    elif event == "socket.connect":
        did.append(f"connect {arguments[1]}")
    elif event == "socket.getaddrinfo":
        did.append(f"look up {arguments[0]}")
    elif event == "exec":
        file = str(Path(getattr(arguments[0], "co_filename", "")).resolve())
        if file.startswith(HERE + os.sep) and file.endswith(".py"):
            did.append(f"run {file}")
    elif event == "open" and isinstance(arguments[0], str) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        path = os.path.realpath(arguments[0])
        if not path.startswith((*OURS, *(f"{HERE}/{name}" for name in RECORDS), "/dev/")):
            did.append(f"write {path}")


def swept(command: list[str], files: list[str]) -> Iterator[dict[str, Any]]:
    """What the command did with each file."""
    for file in files:
        did.clear()
        output = io.StringIO()
        started = time.monotonic()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            code = run([file if word == "FILE" else word for word in command])
        seconds = time.monotonic() - started
        yield {"file": file, "code": code, "seconds": seconds, "did": list(did), "said": output.getvalue()}


def main() -> None:
    """Sweep, and tell the memory at the end."""
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    cut = sys.argv.index("--")
    report = Path(sys.argv[1])
    sys.addaudithook(watch)
    with os.fdopen(os.open(report, os.O_WRONLY | os.O_CREAT), "w") as lines:
        for result in swept(sys.argv[2:cut], sys.argv[cut + 1 :]):
            lines.write(json.dumps(result) + "\n")
            lines.flush()
        lines.write(json.dumps({"megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}) + "\n")


if __name__ == "__main__":
    main()
