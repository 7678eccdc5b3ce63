"""What a tool may know of the session that calls it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from runner.core.cancel import Cancel


def system_clock() -> datetime:
    """Now, in the machine's own time zone."""
    return datetime.now().astimezone()


def _nobody(question: str, choices: tuple[str, ...]) -> str:
    raise EOFError("nobody is there to answer")


@dataclass(frozen=True, slots=True)
class Context:
    """One session, as its tools see it.

    `clock` gives the session's now (aware); `cancel` stops what is under way; `notify` tells the user something;
    `ask` puts a question to the user and raises EOFError where nobody can answer; `state` lives as long as the session.
    """

    clock: Callable[[], datetime] = system_clock
    cancel: Cancel = field(default_factory=Cancel)
    session: str = ""
    seed: int | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    notify: Callable[[str], None] = lambda text: None
    ask: Callable[[str, tuple[str, ...]], str] = _nobody
    state: dict[str, Any] = field(default_factory=dict)
    depth: int = 0
