"""The expectation `python`: a function of the user's gets the turn's result. It runs code, so it needs trust."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from runner.core.errors import NeedsTrust, UsageError
from runner.core.foreign_code import error_text, run_unattended
from runner.core.truncate import truncate
from runner.transcripts.expectations import ExpectationKind, Result
from runner.transcripts.expectations.turn_result import TurnResult

_LONGEST = 2000
_LOADED: dict[Path, Any] = {}


def _python(expected: str, turn: TurnResult, normalize: tuple[str, ...]) -> Result:
    if not turn.trusted:
        raise NeedsTrust(
            f"the expectation python: {expected} runs code of the transcript's folder",
            fix="look at it, then pass --trust",
        )
    path, name = _reference(expected, turn.folder)
    complaint, error = run_unattended(lambda: _complaint(path, name, turn))
    if isinstance(error, UsageError):
        raise error
    if isinstance(error, AssertionError):
        return Result("fail", f"{expected}: {error_text(error).partition(': ')[2] or 'an assertion failed'}")
    if isinstance(error, SystemExit):
        return Result("fail", f"{expected}: it tried to end the program ({error_text(error)})")
    if error is not None:
        return Result("fail", f"{expected}: {error_text(error)}")
    return Result.unless(f"{expected}: {complaint}" if complaint is not None else "")


def _reference(expected: str, folder: Path) -> tuple[Path, str]:
    """The file and the function's name of `checks.py:function`, relative to the transcript. Raises UsageError."""
    file, _, name = expected.rpartition(":")
    path = (folder / file).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise UsageError(f"python: {expected}: there is no file {file} in {folder}")
    return path, name


def _complaint(path: Path, name: str, turn: TurnResult) -> str | None:
    """What the check says is wrong, None if nothing is. Raises UsageError, and whatever the code raises."""
    if path not in _LOADED:
        spec = spec_from_file_location(f"agent_run_checks_{len(_LOADED)}", path)
        assert spec is not None and spec.loader is not None  # its name ends with .py
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        _LOADED[path] = module
    function = getattr(_LOADED[path], name, None)
    if not callable(function):
        raise UsageError(f"python: {path.name}:{name}: {path.name} has no function {name}")
    returned = function(turn)
    if returned is None or returned is True:
        return None
    return truncate(returned if type(returned) is str else f"it returned {returned!r}", _LONGEST)


KINDS: Mapping[str, ExpectationKind] = {
    "python": ExpectationKind(
        {
            "type": "string",
            "pattern": r"^[^:]+\.py:[A-Za-z_]\w*$",
            "description": "`FILE.py:FUNCTION`: called with the Facts; None or True passes, a text says what failed.",
        },
        _python,
    )
}
