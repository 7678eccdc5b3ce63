"""The kinds of expectation: a module a family, each with the keys, their schema and their evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any, Literal, NamedTuple

from runner.transcripts.expectations.turn_result import TurnResult


class Result(NamedTuple):
    """The result of one expectation: it holds (pass), does not (fail), cannot be judged here (not_run), or is broken.

    A broken one is a mistake in the file, such as a pattern that takes too long. Neither of such a one nor of a check
    that `crashed` holds the opposite. `why` tells what is not as expected, or what kept it from being judged, `diff`
    shows it. `captured` are the named groups of a regex; `actual` is what could stand in the file instead of a literal.
    """

    state: Literal["pass", "fail", "not_run", "broken"] = "pass"
    why: str = ""
    diff: str = ""
    captured: Mapping[str, str] = {}
    actual: str | int | None = None
    crashed: bool = False

    @classmethod
    def unless(cls, failure: str, diff: str = "", actual: str | int | None = None) -> Result:
        """A failure for these reasons, a pass if they are empty."""
        return cls("fail", failure, diff, actual=actual) if failure else PASSED


PASSED = Result()

Evaluate = Callable[[Any, TurnResult, tuple[str, ...]], Result]
"""Takes the expected value, the turn's result and the names of `normalize`. Raises ValueError for a broken value."""
Test = Callable[[Any, tuple[str, ...]], bool]
"""Takes the expected value and the names of `normalize`."""


def no_problem(expected: Any) -> str:
    """Nothing can be wrong with the value beyond what its schema checks."""
    return ""


def never(expected: Any, normalize: tuple[str, ...]) -> bool:
    """No value of the kind always holds, or no value never does."""
    return False


class ExpectationKind(NamedTuple):
    """One key of an expectation: the schema of its value, its evaluation, and what is wrong beyond the schema.

    `always_holds`: whatever the model and the agent do, this value holds; `never_holds`: it cannot hold, so that its
    opposite always does. Both are False where that is not sure: what always holds is reported as not run.
    `one_per_key`: each key of the value is an expectation of its own, so that one that cannot be evaluated hides no
    other. `expects_errors`: a turn that has it may end in an error. `about_requests`: it is on what the agent sends,
    which no reply changes. `runs_code`: it runs code of the transcript's folder.
    """

    schema: Mapping[str, Any]
    evaluate: Evaluate
    problem: Callable[[Any], str] = no_problem
    always_holds: Test = never
    never_holds: Test = never
    one_per_key: bool = False
    expects_errors: bool = False
    about_requests: bool = False
    runs_code: bool = False


MODULES: Mapping[str, str] = {
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
"""The module of each key, whose `KINDS` hold it; imported when a transcript uses the key."""


@cache
def expectation_kind(key: str) -> ExpectationKind:
    """The kind of a key of MODULES."""
    kinds: Mapping[str, ExpectationKind] = import_module(f"{__name__}.{MODULES[key]}").KINDS
    return kinds[key]


def expectation_kinds() -> Mapping[str, ExpectationKind]:
    """Every kind by its key, in the order in which the schema lists them."""
    return {key: expectation_kind(key) for key in MODULES}
