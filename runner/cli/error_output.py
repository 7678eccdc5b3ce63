"""How a failure reads on stderr: what, where, why, fix; a bug of ours names the file that holds its traceback."""

from __future__ import annotations

import sys
from errno import EDQUOT, EFBIG, EIO, ENOSPC

from runner.core.errors import AgentRunError, ConfigError

_FULL = frozenset({ENOSPC, EDQUOT, EFBIG})


def tell(error: Exception) -> int:
    """Print the error and give its exit code."""
    if isinstance(error, ConfigError):
        from runner.config.diagnostic_formats import render_text  # lazy: only a wrong file needs it

        print(render_text(error.problems, source=sys.stderr.isatty()), file=sys.stderr)
        return error.exit_code
    if isinstance(error, AgentRunError):
        from runner.core.sanitize import sanitize

        print(f"agent-run: {sanitize(str(error))}", file=sys.stderr)
        return error.exit_code
    if isinstance(error, OSError) and error.errno == EIO:  # the terminal has gone
        return 130
    if isinstance(error, PermissionError) and error.filename:
        print(f"agent-run: {error.filename!r} is not ours to use\n  why:   {error.strerror}", file=sys.stderr)
        return 2
    if isinstance(error, OSError) and error.errno in _FULL:
        print(f"agent-run: cannot write the output\n  why:   {error.strerror}", file=sys.stderr)
        return 4
    print(_bug(error), file=sys.stderr)
    return 70


def _bug(error: Exception) -> str:
    from runner.core.sanitize import sanitize

    return (
        f"agent-run: a bug in agent-run: {type(error).__name__}: {sanitize(str(error))}\n"
        f"  where: {_report(error)}\n"
        "  why:   this should not happen, whatever the input\n"
        "  fix:   please report it with that file, after removing what is private"
    )


def _report(error: Exception) -> str:
    """The file that holds the traceback, or why there is none."""
    import tempfile
    import traceback

    from runner import __version__

    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="agent-run-bug-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as report:
            report.write(f"agent-run {__version__}, Python {sys.version}\n{sys.argv}\n\n")
            report.write("".join(traceback.format_exception(error)))
            return report.name
    except OSError as failed:
        return f"(no file could be written: {failed.strerror})"
