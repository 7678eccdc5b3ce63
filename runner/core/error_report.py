"""What any error tells the user, and its exit code; for a bug of ours, with a file that holds the traceback."""

from __future__ import annotations

import os
import sys
from errno import EDQUOT, EFBIG, ENOSPC
from typing import NamedTuple

from runner import __version__
from runner.core.errors import AgentRunError
from runner.core.foreign_code import error_text
from runner.core.secrets import redact_known

EXIT_BUG = 70
_FULL = frozenset({ENOSPC, EDQUOT, EFBIG})


class ErrorReport(NamedTuple):
    """An error in words, its known secrets redacted, and the exit code that it stands for."""

    text: str
    exit_code: int


def error_report(error: BaseException) -> ErrorReport:
    """What to tell of the error. For one that is not ours to explain, its traceback is saved in a file."""
    if isinstance(error, AgentRunError):
        what = error.what.replace("\n", "\n    ")  # no line of it may pass for one of ours
        return ErrorReport(_redacted(str(error.replace(what=what))), error.exit_code)
    if isinstance(error, PermissionError) and error.filename:
        return ErrorReport(f"permission denied: {error.filename!r}\n  why:   {error.strerror}", 2)
    if isinstance(error, (FileNotFoundError, NotADirectoryError, IsADirectoryError)) and error.filename:
        return ErrorReport(f"cannot use the file {error.filename!r}\n  why:   {error.strerror}", 2)
    if isinstance(error, OSError) and error.errno in _FULL:
        return ErrorReport(f"cannot write the output\n  why:   {error.strerror}", 4)
    text = (
        f"a bug in agent-run: {_redacted(error_text(error))}\n"
        f"  where: {_traceback_file(error)}\n"
        "  why:   this should not happen, whatever the input\n"
        "  fix:   please report it with that file, after removing what is private"
    )
    return ErrorReport(text, EXIT_BUG)


def _redacted(text: str) -> str:
    return redact_known(text, os.environ)


def _traceback_file(error: BaseException) -> str:
    """The file that holds the traceback, or why there is none."""
    import tempfile  # lazy, as the next: there is no bug, as a rule
    import traceback

    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="agent-run-bug-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as report:
            report.write(f"agent-run {__version__}, Python {sys.version}\n{_redacted(str(sys.argv))}\n\n")
            report.write(_redacted("".join(traceback.format_exception(error))))
            return report.name
    except OSError as failed:
        return f"(no file could be written: {failed.strerror})"
