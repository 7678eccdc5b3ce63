"""`uv run python docs/picture.py` draws docs/terminal.svg: a real chat with agents/demo.yaml at a terminal."""

from __future__ import annotations

import io
import os
import re
import sys
from pathlib import Path

import pexpect
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parent.parent
ASKED = ("What day of the week is July 4th, 2025?", "And what time is it now?")


def chat() -> str:
    """What the terminal showed."""
    child = pexpect.spawn(
        sys.executable,
        ["-m", "runner", "agents/demo.yaml"],
        cwd=str(ROOT),
        env=os.environ | {"TERM": "xterm"},
        encoding="utf-8",
        dimensions=(30, 90),
    )
    seen = []
    for line in (*ASKED, "exit"):
        child.expect_exact("Query: ")
        seen += [child.before, child.after]
        child.sendline(line)
    child.expect(pexpect.EOF)
    return "".join([*seen, child.before]).replace("\r", "")


def main() -> None:
    console = Console(record=True, width=90, file=io.StringIO())
    console.print(Text("$ agent-run agents/demo.yaml", style="bold green"))
    for line in chat().splitlines():
        style = "cyan" if line.startswith("→") else "bold" if line.startswith("Query:") else ""
        console.print(Text(line, style=style))
    # The fonts of the reader's machine do: a picture fetches nothing.
    svg = re.sub(r"@font-face \{.*?\}", "", console.export_svg(title="agent-run"), flags=re.DOTALL)
    (ROOT / "docs" / "terminal.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
