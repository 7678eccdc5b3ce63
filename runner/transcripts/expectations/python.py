"""The expectation `python`: a function of the user's gets the turn's result. It runs code, so it needs trust."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from pathlib import Path
from types import CoroutineType

from runner.core.errors import NeedsTrust, UsageError
from runner.core.foreign_code import ended_after, error_text, run_unattended
from runner.core.truncate import truncate
from runner.transcripts.expectations import PASSED, ExpectationKind, Result
from runner.transcripts.expectations.check_modules import check_module
from runner.transcripts.expectations.turn_result import TurnResult

_LONGEST = 2000
_MAX_SECONDS = 60
_SHOWN = (bool, int, float, str, list, tuple, dict, set)


def _python(expected: str, turn: TurnResult, normalize: tuple[str, ...]) -> Result:
    if not turn.trusted:
        raise NeedsTrust(
            f"the expectation python: {expected} runs code of the transcript's folder",
            fix="look at it, then pass --trust",
        )
    from runner.tools.captured_output import PrintedOutput  # lazy: few transcripts have checks

    path, name = _reference(expected, turn.folder)
    with PrintedOutput() as printed:
        result, error = run_unattended(lambda: _checked(path, name, turn))
    if isinstance(error, UsageError):
        raise error
    if result is None:
        result = Result("fail", _crash_text(error), crashed=True)
    if result.state == "pass":
        return result
    lines = [f"!printed: {line}" for line in printed.text.splitlines()]
    return result._replace(why=f"{expected}: {result.why}", diff="\n".join(lines))


def _crash_text(error: BaseException | None) -> str:
    if isinstance(error, SystemExit):
        return f"it tried to end the program ({error_text(error)})"
    return error_text(error) if error is not None else "it gave nothing"


def _reference(expected: str, folder: Path) -> tuple[Path, str]:
    """The file and the function's name of `checks.py:function`, relative to the transcript. Raises UsageError."""
    file, _, name = expected.rpartition(":")
    path = (folder / file).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise UsageError(f"python: {expected}: there is no file {file} in {folder}")
    return path, name


def _checked(path: Path, name: str, turn: TurnResult) -> Result:
    """What the check says of the turn. Raises UsageError, and what the code raises, save for an assertion that fails.

    It holds with None or True; it does not with False, a text or an assertion. All else is a mistake in the check.
    """
    with ended_after(_MAX_SECONDS), chdir(Path.cwd()), _recursion_limit_kept(), check_module(path) as module:
        function = getattr(module, name, None)
        if not callable(function):
            raise UsageError(f"python: {path.name}:{name}: {path.name} has no function {name}")
        try:
            returned = function(turn)
        except AssertionError as error:
            return Result("fail", error_text(error).partition(": ")[2] or "an assertion failed")
        if returned is None or returned is True:
            return PASSED
        if type(returned) is str and returned.strip():
            return Result("fail", truncate(returned, _LONGEST))
        if returned is False:
            return Result("fail", "it returned False")
        if isinstance(returned, CoroutineType):
            returned.close()  # or Python warns that nobody awaits it
        shown = repr(returned) if type(returned) in _SHOWN else f"an object of the type {type(returned).__name__}"
    why = f"it returned {shown}; a check returns None or True, False or a text"
    return Result("fail", truncate(why, _LONGEST), crashed=True)


@contextmanager
def _recursion_limit_kept() -> Iterator[None]:
    """Whatever limit the code in the block sets, what runs after it has its own again."""
    limit = sys.getrecursionlimit()
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


KINDS: Mapping[str, ExpectationKind] = {
    "python": ExpectationKind(
        {
            "type": "string",
            "pattern": r"^[^:]+\.py:[A-Za-z_]\w*$",
            "description": "`FILE.py:FUNCTION`, called with the turn's facts: holds with None or True, "
            "fails with False, a text or an assertion.",
        },
        _python,
        runs_code=True,
    )
}
