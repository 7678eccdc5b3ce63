"""What a tool sees of its session while it runs, and what it may return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from runner.core.cancel import Cancel
from runner.core.messages import Attachment, Usage


def system_clock() -> datetime:
    """Now, in the machine's own time zone."""
    return datetime.now().astimezone()


def nobody(question: str, choices: tuple[str, ...]) -> str:
    """The answer where nobody can be asked: EOFError."""
    raise EOFError("nobody is there to answer")


@dataclass(frozen=True, slots=True)
class Context:
    """One session, as its tools see it.

    `clock` gives the session's now (aware); `cancel` stops what is under way; `notify` tells the user something;
    `ask` puts a question to the user and raises EOFError where nobody can answer; `state` lives as long as the session;
    `spend` counts the tokens that a tool used on its own account.
    """

    clock: Callable[[], datetime] = system_clock
    cancel: Cancel = field(default_factory=Cancel)
    session: str = ""
    seed: int | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    notify: Callable[[str], None] = lambda text: None
    ask: Callable[[str, tuple[str, ...]], str] = nobody
    spend: Callable[[Usage], None] = lambda usage: None
    state: dict[str, Any] = field(default_factory=dict)
    depth: int = 0


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """What a tool returns when a plain value does not say it all: files beside the output, or a failure."""

    output: Any
    failed: bool = False
    files: tuple[Attachment, ...] = ()


class ToolFailed(Exception):
    """Raised by a tool to fail in its own words: the model reads the text alone, so it says what to do instead."""
