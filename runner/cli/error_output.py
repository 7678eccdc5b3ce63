"""Errors on stderr: what, where, why and fix; for a bug of ours, the file that holds its traceback."""

from __future__ import annotations

import sys
from errno import EDQUOT, EFBIG, EIO, ENOSPC

from runner.core.errors import AgentRunError, ConfigError

_FULL = frozenset({ENOSPC, EDQUOT, EFBIG})


def print_error(error: Exception) -> int:
    """Print the error and give its exit code."""
    if isinstance(error, ConfigError):
        from runner.config.diagnostic_formats import render_text  # lazy: only a wrong file needs it

        print(render_text(error.problems, source=sys.stderr.isatty()), file=sys.stderr)
        return error.exit_code
    if isinstance(error, AgentRunError):
        print(f"agent-run: {_printable(str(error))}", file=sys.stderr)
        return error.exit_code
    if isinstance(error, OSError) and error.errno == EIO:  # the terminal has gone
        return 130
    if isinstance(error, PermissionError) and error.filename:
        print(f"agent-run: permission denied: {error.filename!r}\n  why:   {error.strerror}", file=sys.stderr)
        return 2
    if isinstance(error, OSError) and error.errno in _FULL:
        print(f"agent-run: cannot write the output\n  why:   {error.strerror}", file=sys.stderr)
        return 4
    print(_bug(error), file=sys.stderr)
    return 70


def _bug(error: Exception) -> str:
    return (
        f"agent-run: a bug in agent-run: {type(error).__name__}: {_printable(str(error))}\n"
        f"  where: {_report(error)}\n"
        "  why:   this should not happen, whatever the input\n"
        "  fix:   please report it with that file, after removing what is private"
    )


def _printable(text: str) -> str:
    from runner.core.sanitize import sanitize  # lazy: most runs end without an error
    from runner.core.secrets import redact

    return sanitize(redact(text))


def _report(error: Exception) -> str:
    """The file that holds the traceback, or why there is none."""
    import tempfile
    import traceback

    from runner import __version__
    from runner.core.secrets import redact

    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="agent-run-bug-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as report:
            report.write(f"agent-run {__version__}, Python {sys.version}\n{redact(str(sys.argv))}\n\n")
            report.write(redact("".join(traceback.format_exception(error))))
            return report.name
    except OSError as failed:
        return f"(no file could be written: {failed.strerror})"
