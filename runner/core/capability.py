"""One thing that an agent file can do on the user's machine or with the user's keys, as consent is asked for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

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
        return f"{self.action:<8} {escaped(self.target)}"


def escaped(text: str) -> str:
    """One line in which nothing moves a cursor, reorders what is read, or hides."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
