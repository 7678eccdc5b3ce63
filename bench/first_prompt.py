"""`agent-run AGENT` as a terminal user sees it, ended by end of input at its first prompt."""

from __future__ import annotations

import os
import pty
import sys


def main() -> None:
    os.environ["TERM"] = "dumb"
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-m", "runner", *sys.argv[1:]])
    seen = b""
    while b"Query: " not in seen:
        seen += os.read(terminal, 4096)
    os.write(terminal, b"\x04")
    os.waitpid(child, 0)


if __name__ == "__main__":
    main()
