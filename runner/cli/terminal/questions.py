"""Questions to the user at the terminal: whether a call may run, whether to trust a file, and what a tool asks."""

from __future__ import annotations

import json
import sys

from runner.core.messages import ToolCall
from runner.core.sanitize import sanitize


def approve(call: ToolCall, why: str) -> str:
    """`yes`, `no` or `always`: the answer to whether this exact call may run. End of input is no."""
    shown = json.dumps(call.to_dict()["arguments"], ensure_ascii=True, indent=2)
    print(f"agent-run: {sanitize(call.name)} wants to run ({sanitize(why)}), with\n{shown}", file=sys.stderr)
    while True:
        answer = _read("Allow it? [y]es, [n]o, [a]lways in this session: ").strip().lower()
        for word in ("yes", "no", "always"):
            if answer and word.startswith(answer):
                return word
        if not answer:
            return "no"


def consent(description: str) -> bool:
    """Whether the file may do all that it says. End of input is no."""
    print(sanitize(description), file=sys.stderr)
    return _read("Trust this file, as it stands now? [y]es, [n]o: ").strip().lower() in {"y", "yes"}


def ask(question: str, choices: tuple[str, ...]) -> str:
    """The user's answer to a tool's question. Raises EOFError when nobody answers any more."""
    print(sanitize(question), file=sys.stderr)
    for number, choice in enumerate(choices, 1):
        print(f"  {number}. {sanitize(choice)}", file=sys.stderr)
    answer = _read("> ").strip()
    if answer.isdecimal() and 1 <= int(answer) <= len(choices):
        return choices[int(answer) - 1]
    return answer


def _read(prompt: str) -> str:
    sys.stderr.write(prompt)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        if prompt == "> ":
            raise EOFError
        return ""
    return line
