"""One thing that an agent file can do on the user's machine or with the user's keys, as consent is asked for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from runner.core.sanitize import escape_line

Action = Literal["run", "start", "import", "load", "write", "read", "connect", "send", "allow"]
ACTIONS: tuple[Action, ...] = get_args(Action)
"""In the order in which capabilities are shown."""


@dataclass(frozen=True, slots=True)
class Capability:
    """An action and what it acts on; `where` is the line of the file that it follows from.

    `host` is where a `send` goes, without scheme and port.
    """

    action: Action
    target: str
    where: str = ""
    host: str = ""

    def __str__(self) -> str:
        return f"{self.action:<8} {escape_line(self.target)}"
