"""A bug of ours told to the user: one message, and a file that holds the traceback."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback

from runner import __version__
from runner.core.foreign_code import error_text
from runner.core.sanitize import sanitize
from runner.core.secrets import redact_known

EXIT_BUG = 70


def bug_message(error: BaseException) -> str:
    """What happened, the file that holds the traceback, and what to do; secrets redacted."""
    return (
        f"a bug in agent-run: {sanitize(redact_known(error_text(error), os.environ))}\n"
        f"  where: {_traceback_file(error)}\n"
        "  why:   this should not happen, whatever the input\n"
        "  fix:   please report it with that file, after removing what is private"
    )


def _traceback_file(error: BaseException) -> str:
    """The file that holds the traceback, or why there is none."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="agent-run-bug-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as report:
            report.write(
                f"agent-run {__version__}, Python {sys.version}\n{redact_known(str(sys.argv), os.environ)}\n\n"
            )
            report.write(redact_known("".join(traceback.format_exception(error)), os.environ))
            return report.name
    except OSError as failed:
        return f"(no file could be written: {failed.strerror})"
