"""Questions to the user at the terminal: whether a call may run, whether to trust a file, and what a tool asks.

What was typed before a question could be read never answers it, and an empty line is no answer.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from runner.cli.terminal.pages import show_pages
from runner.core.errors import UsageError
from runner.core.messages import ToolCall
from runner.core.sanitize import escape_line
from runner.engine.approval import ApprovalRequest

_LONGEST_RULE = 60


def approve(call: ToolCall, request: ApprovalRequest) -> str:
    """`yes`, `no`, `always` or `always RULE`: whether this call may run. End of input is no."""
    name = escape_line(call.name)
    heading = f"agent-run: {name} wants to run ({escape_line(request.reason)})"
    if not _shown(heading, _call_lines(call, request)):
        return "no"
    exact = escape_line(request.rule)
    this_call = exact if len(exact) <= _LONGEST_RULE else "this very call"
    question = f"Allow it? [y]es, [n]o, [a]lways {this_call}, [t]ool: always {name}, or a rule: "
    return _answer(question, lambda answer: _approval(answer, call, request), end_of_input="no")


def consent(description: str) -> bool:
    """Whether the file may do all that it says. End of input is no."""
    heading, _, rest = description.partition("\n")
    if not _shown(heading, [escape_line(line) for line in rest.split("\n")]):
        return False
    question = "Trust this file, as it stands now? [y]es, [n]o: "
    return _answer(question, lambda answer: _choice(answer, ("yes", "no")), end_of_input="no") == "yes"


def ask(question: str, choices: tuple[str, ...]) -> str:
    """The user's answer to a tool's question. Raises EOFError when nobody answers any more."""
    numbered = [f"  {number}. {escape_line(choice)}" for number, choice in enumerate(choices, 1)]
    lines = [escape_line(line) for line in question.split("\n")]
    if not _shown(lines[0], [*lines[1:], *numbered]):
        raise EOFError

    def chosen(answer: str) -> str:
        if answer.isdecimal() and 1 <= int(answer) <= len(choices):
            return choices[int(answer) - 1]
        return answer

    return _answer("> ", chosen)


def _call_lines(call: ToolCall, request: ApprovalRequest) -> list[str]:
    """What the tool says of itself, what the call comes to, and what it would change, or else each argument."""
    arguments: Mapping[str, Any] = call.to_dict()["arguments"] or {}
    lines = [f"  {escape_line(line)}" for line in request.description.split("\n")[:1] if line]
    if request.text != json.dumps(arguments, sort_keys=True, ensure_ascii=False):
        lines.append(f"  {escape_line(request.text)}")
    if request.preview:
        return [*lines, *(f"    {escape_line(line)}" for line in request.preview.split("\n"))]
    return [*lines, *(line for name, value in arguments.items() for line in _argument_lines(name, value))]


def _argument_lines(name: str, value: Any) -> list[str]:
    """An argument as it is, whole; a text of several lines as a block, each line behind a bar."""
    if isinstance(value, str) and "\n" in value:
        return [f"  {escape_line(name)}:", *(f"    | {escape_line(line)}" for line in value.split("\n"))]
    return [f"  {escape_line(name)}: {escape_line(json.dumps(value, ensure_ascii=False))}"]


def _approval(answer: str, call: ToolCall, request: ApprovalRequest) -> str | None:
    word = _choice(answer, ("yes", "no", "always", "tool"))
    if word == "always":
        return f"always {request.rule}"
    if word == "tool":
        return "always"
    if word or answer.isalpha():
        return word
    try:
        if request.is_matched_by(answer):
            return f"always {answer}"
        problem = f"the rule {answer!r} is not about this call"
    except UsageError as error:
        problem = str(error)
    print(f"agent-run: {escape_line(problem)}", file=sys.stderr)
    return None


def _choice(answer: str, words: tuple[str, ...]) -> str | None:
    return next((word for word in words if word.startswith(answer.lower())), None)


def _shown(heading: str, lines: list[str]) -> bool:
    """Show all of it, a screenful at a time; False if the user has seen enough, or is gone."""
    return show_pages(heading, lines, more=_read_line)


def _answer(question: str, parse: Callable[[str], str | None], *, end_of_input: str | None = None) -> str:
    """Ask until `parse` takes the answer. Raises EOFError at the end of input where no word stands for it."""
    while True:
        line = _read_line(question)
        if line is None:
            if end_of_input is None:
                raise EOFError
            return end_of_input
        answer = parse(line) if line else None
        if answer is not None:
            return answer


def _read_line(prompt: str) -> str | None:
    """A line that is typed from now on, without blanks at its ends; None at the end of input.

    It is read from the terminal itself, since the streams of Python may hold what was typed before.
    """
    terminal = sys.stdin.fileno()
    sys.stdout.flush()
    _discard_typed(terminal)
    sys.stderr.write(prompt)
    sys.stderr.flush()
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(terminal, 4096)
        if not piece:
            print(file=sys.stderr)
            return None
        line += piece
    return line.decode(sys.stdin.encoding, "replace").strip()


def _discard_typed(terminal: int) -> None:
    with suppress(ImportError, OSError):
        import termios  # lazy: not on Windows

        termios.tcflush(terminal, termios.TCIFLUSH)
        return
    with suppress(ImportError):
        import msvcrt  # lazy: on Windows alone

        while msvcrt.kbhit():  # type: ignore[attr-defined]
            msvcrt.getwch()  # type: ignore[attr-defined]
