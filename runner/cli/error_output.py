"""Errors on stderr: what, where, why and fix; for a bug of ours, the file that holds its traceback."""

from __future__ import annotations

import sys
from errno import EDQUOT, EFBIG, EIO, ENOSPC

from runner.cli.terminal.streams import print_text
from runner.core.errors import AgentRunError, ConfigError

_FULL = frozenset({ENOSPC, EDQUOT, EFBIG})


def print_error(error: Exception) -> int:
    """Print the error and give its exit code."""
    if isinstance(error, ConfigError):
        from runner.config.diagnostic_formats import render_text  # lazy: only a wrong file needs it

        print_text(render_text(error.problems, source=sys.stderr.isatty()), err=True)
        return error.exit_code
    if isinstance(error, AgentRunError):
        what = error.what.replace("\n", "\n    ")  # no line of it may pass for one of ours
        print_text(f"agent-run: {_printable(str(error.replace(what=what)))}", err=True)
        return error.exit_code
    if isinstance(error, OSError) and error.errno == EIO:  # the terminal has gone
        return 130
    if isinstance(error, PermissionError) and error.filename:
        print_text(f"agent-run: permission denied: {error.filename!r}\n  why:   {error.strerror}", err=True)
        return 2
    if isinstance(error, OSError) and error.errno in _FULL:
        print_text(f"agent-run: cannot write the output\n  why:   {error.strerror}", err=True)
        return 4
    from runner.core.bug_report import EXIT_BUG, bug_message  # lazy: there is no bug, as a rule

    print_text(f"agent-run: {bug_message(error)}", err=True)
    return EXIT_BUG


def _printable(text: str) -> str:
    from runner.core.sanitize import sanitize  # lazy: most runs end without an error

    return sanitize(text)
