"""Where reports go: the first without a file to stdout, the others to their files."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runner.cli.terminal.streams import print_text
from runner.core.errors import UsageError
from runner.core.sanitize import escape_line
from runner.core.secrets import redact_known
from runner.transcripts.outcome import Outcome
from runner.transcripts.reports import FORMATS, SuiteResult, report_renderer

if TYPE_CHECKING:
    from runner.transcripts.recording.record_transcript import Review


class Reports(NamedTuple):
    """The reports to write, each as (format, file); None stands for stdout."""

    reports: tuple[tuple[str, Path | None], ...]

    @classmethod
    def of(cls, arguments: Sequence[str]) -> Reports:
        """From `FORMAT` and `FORMAT=FILE`; console to stdout if nothing else goes there. Raises UsageError."""
        reports: list[tuple[str, Path | None]] = []
        for argument in arguments:
            name, _, file = argument.partition("=")
            if name not in FORMATS:
                raise UsageError(f"--report knows no {name!r}", fix=f"one of {', '.join(FORMATS)}")
            reports.append((name, Path(file) if file else None))
        on_stdout = [name for name, file in reports if file is None]
        if len(on_stdout) > 1:
            raise UsageError("only one report can go to stdout", fix=f"--report {on_stdout[1]}=FILE")
        if not on_stdout:
            reports.append(("console", None))
        return cls(tuple(reports))

    def write(self, outcomes: Sequence[Outcome], seconds: float) -> None:
        """Write every report of a run that took `seconds`. Raises UsageError for a file that cannot be written."""
        for name, file in self.reports:
            text = report_renderer(name)(SuiteResult(outcomes, seconds, file is None and _colour()))
            if file is None:
                print_report(name, text)
                continue
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(redact_known(text, os.environ), "utf-8")
            except OSError as error:
                raise UsageError(f"cannot write the report {file}", why=error.strerror or str(error)) from None


def print_report(name: str, text: str) -> None:
    """Write a report to stdout; those that are data hold no control characters, and mean what they say."""
    if name in ("console", "tap"):
        print_text(text, colour=_colour(), end="")
        return
    encoding = sys.stdout.encoding or "utf-8"
    text = redact_known(text, os.environ)
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))


def reviewer() -> Review:
    """Shows each fresh recording at the terminal and asks whether to keep it."""
    from runner.cli.review import review  # lazy: few runs are reviewed

    return review


def print_line(text: str) -> None:
    """A line of progress for the user."""
    print_text(escape_line(text), err=True)


def _colour() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
