"""Text output: the answer as it arrives on stdout, everything else in single lines on stderr."""

from __future__ import annotations

import json
import os
from typing import Any, TextIO

from runner.cli.terminal.countdown import Countdown
from runner.cli.terminal.streams import print_text, printable
from runner.core.events import Event, Notice, TextDelta, ToolFinished, ToolStarted, TurnEnded
from runner.core.sanitize import sanitize
from runner.core.truncate import truncate

_MAX_LENGTH = 120


def indent_continuation(text: str) -> str:
    """The text sanitized, its further lines indented, so that none of them passes for one of ours."""
    return sanitize(text).replace("\n", "\n    ")


class TextOutput:
    """Prints a turn's events; on a terminal the answer is sanitized.

    `only_valid`: the answer must keep a schema, so what goes to another program waits until it does.
    """

    def __init__(self, out: TextIO, err: TextIO, *, verbose: bool = False, only_valid: bool = False) -> None:
        self._out = out
        self._err = err
        self._terminal = out.isatty()
        self._same_screen = self._terminal or _same_file(out, err)
        self._verbose = verbose
        self._mid_line = False
        self._countdown = Countdown(err)
        self._pending: list[str] | None = [] if only_valid and not self._terminal else None

    def show(self, event: Event) -> None:
        """Print one event; text is flushed at once, unless it has to wait."""
        self._countdown.end()
        if self._pending is not None:
            self._write_when_valid(self._pending, event)
        elif isinstance(event, TextDelta):
            self._write(sanitize(event.text) if self._terminal else event.text)
        self._print_line_of(event)

    def _write_when_valid(self, pending: list[str], event: Event) -> None:
        if isinstance(event, TextDelta):
            pending.append(event.text)
        elif isinstance(event, Notice) and event.kind == "reply_invalid":
            pending.clear()
        elif isinstance(event, TurnEnded):
            self._write("".join(pending))
            pending.clear()

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
        self._mid_line = not text.endswith("\n") if text else self._mid_line

    def _print_line_of(self, event: Event) -> None:
        """The event's line on stderr, if it has one."""
        if isinstance(event, ToolStarted):
            self.print_line(f"→ {_call(event)}")
        elif isinstance(event, ToolFinished) and (self._verbose or event.result.failed):
            mark = "✗" if event.result.failed else "←"
            self.print_line(f"{mark} {event.result.name}: {_one_line_value(event.result.output)}")
        elif isinstance(event, Notice) and event.kind != "limit":  # an error says that at the end
            self.print_line(f"agent-run: {event.text}")
            if event.kind == "retry":
                self._countdown.begin(event.details.get("seconds", 0))
        elif isinstance(event, TurnEnded) and self._verbose:
            cost = "" if event.cost_usd is None else f", ${event.cost_usd:.4f}"
            usage = event.usage
            self.print_line(f"· {usage.input_tokens} in, {usage.output_tokens} out, {event.seconds:.1f} s{cost}")

    def print_line(self, line: str) -> None:
        """One line on stderr, below whatever stands unfinished on the same screen."""
        if self._same_screen:
            self.end_line()
        print(printable(indent_continuation(line)), file=self._err, flush=True)

    def end_line(self) -> None:
        """End the answer's last line if it has none of its own, and a countdown that still runs."""
        self._countdown.end()
        if self._mid_line:
            self._out.write("\n")
            self._out.flush()
            self._mid_line = False


def _same_file(out: TextIO, err: TextIO) -> bool:
    """Whether both streams end in one place, as after `2>&1`."""
    try:
        return os.path.sameopenfile(out.fileno(), err.fileno())
    except (OSError, ValueError):
        return False


def warn(text: str) -> None:
    """A line for the user that no event carries."""
    print_text(f"agent-run: {indent_continuation(text)}", err=True)


def _call(event: ToolStarted) -> str:
    arguments = event.call.arguments
    if arguments is None:
        return f"{event.call.name}({_one_line_value(event.call.raw)})"
    return f"{event.call.name}({', '.join(f'{key}={_one_line_value(value)}' for key, value in arguments.items())})"


def _one_line_value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = json.dumps(text, ensure_ascii=False) if isinstance(value, str) and len(text) < _MAX_LENGTH else text
    return truncate(" ".join(text.split()), _MAX_LENGTH)
