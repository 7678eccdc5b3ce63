"""What may be expected of a turn: one file a family, each bringing its keys, their schema and their judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, NamedTuple

from runner.core.errors import AgentRunError
from runner.core.events import Event
from runner.core.messages import Usage
from runner.gateways import Request


class Called(NamedTuple):
    """A tool call that the model made, its result, and the number of the reply that made it."""

    name: str
    arguments: Mapping[str, Any] | None
    raw: str
    batch: int
    returned: Any = None
    failed: bool = False


class Facts(NamedTuple):
    """What happened in one turn, or with the turns' facts added up in the whole conversation.

    `first_token_ms` and `total_ms` are None in a replay: times exist only live. `folder` is where the transcript lies.
    """

    text: str = ""
    calls: tuple[Called, ...] = ()
    events: tuple[Event, ...] = ()
    requests: tuple[Request, ...] = ()
    finish: str = ""
    reason: str = ""
    error: AgentRunError | None = None
    usage: Usage = Usage()
    cost_usd: float | None = None
    first_token_ms: float | None = None
    total_ms: float | None = None
    live: bool = False
    trusted: bool = False
    folder: Path = Path()


class Judged(NamedTuple):
    """One expectation's outcome: `why` tells a failure or what kept it from running, `diff` shows it.

    `actual` is what could stand in the file instead, for the kinds that want a literal.
    """

    state: Literal["pass", "fail", "not_run"] = "pass"
    why: str = ""
    diff: str = ""
    captured: Mapping[str, str] = {}
    actual: str | int | None = None

    @classmethod
    def unless(cls, failure: str, diff: str = "", actual: str | int | None = None) -> Judged:
        """A failure if there are words for one, else a pass."""
        return cls("fail", failure, diff, actual=actual) if failure else PASSED


PASSED = Judged()

Judge = Callable[[Any, Facts, tuple[str, ...]], Judged]
"""Judges (wanted, facts, normalize)."""


def no_problem(wanted: Any) -> str:
    """Nothing can be wrong that the schema does not see."""
    return ""


class Kind(NamedTuple):
    """One key of an expectation: the schema of its value, its judge, and what may be wrong beyond the schema."""

    schema: Mapping[str, Any]
    judge: Judge
    problem: Callable[[Any], str] = no_problem


FAMILY_OF: Mapping[str, str] = {
    "text": "text",
    "contains": "text",
    "icontains": "text",
    "regex": "text",
    "words": "text",
    "json": "json",
    "tools": "tools",
    "request": "request",
    "events": "events",
    "finish": "events",
    "exit": "events",
    "budget": "budget",
    "python": "python",
}


@cache
def kind(key: str) -> Kind:
    """The kind behind a key of FAMILY_OF."""
    kinds: Mapping[str, Kind] = import_module(f"{__name__}.{FAMILY_OF[key]}").KINDS
    return kinds[key]


def all_kinds() -> Mapping[str, Kind]:
    """Every kind, in the order in which the schema lists them."""
    return {key: kind(key) for key in FAMILY_OF}
