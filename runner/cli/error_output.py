"""Errors on stderr: what, where, why and fix; for a bug of ours, the file that holds its traceback."""

from __future__ import annotations

import sys
from errno import EIO

from runner.cli.terminal.streams import print_text
from runner.core.error_report import error_report
from runner.core.errors import ConfigError


def print_error(error: Exception) -> int:
    """Print the error and give its exit code."""
    if isinstance(error, ConfigError):
        from runner.config.diagnostic_formats import render_text  # lazy: only a wrong file needs it

        print_text(render_text(error.problems, source=sys.stderr.isatty()), err=True)
        return error.exit_code
    if isinstance(error, OSError) and error.errno == EIO:  # the terminal has gone
        return 130
    from runner.core.sanitize import sanitize  # lazy: a wrong file needs it not

    text, exit_code = error_report(error)
    print_text(f"agent-run: {sanitize(text)}", err=True)
    return exit_code
