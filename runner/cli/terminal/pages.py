"""Long texts before a question, a screenful at a time, so that nothing of them leaves the screen unread."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence


def show_pages(heading: str, lines: Sequence[str], more: Callable[[str], str | None]) -> bool:
    """Print the heading and the lines to stderr; False if the user does not want to read on.

    Where they do not fit on the screen, `more(prompt)` waits for the user after each screenful: an empty line goes on,
    None is the end of input. Lines are cut to the screen's width, so that none takes more room than is counted.
    """
    size = _terminal_size()
    rows = [row for line in (heading, *lines) for row in _rows(line, max(20, size.columns - 1))]
    per_page = max(5, size.lines - 3)
    if len(rows) <= per_page:
        print("\n".join(rows), file=sys.stderr)
        return True
    for start in range(0, len(rows), per_page):
        end = min(start + per_page, len(rows))
        print("\n".join(rows[start:end]), file=sys.stderr)
        if end == len(rows):
            return True
        answer = more(f"(lines {start + 1} to {end} of {len(rows)}; Enter shows more, n stops and answers no) ")
        if answer is None or answer.lower().startswith("n"):
            return False
    return True


def _rows(line: str, width: int) -> list[str]:
    """The line as rows of the screen; each further one is indented behind an arrow."""
    if line.isascii() and len(line) <= width:
        return [line]
    from rich.cells import chop_cells  # lazy: only what is long or not ASCII needs to be measured

    first, *rest = chop_cells(line, width - 4) or [""]
    return [first, *(f"  ↪ {row}" for row in rest)]


def _terminal_size() -> os.terminal_size:
    """Of the screen itself: LINES and COLUMNS may come from a program that started this one."""
    try:
        return os.get_terminal_size(sys.stderr.fileno())
    except (OSError, ValueError):
        return os.terminal_size((80, 24))
