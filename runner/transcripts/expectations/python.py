"""The expectation `python`: a function of the user's gets the turn's result. It runs code, so it needs trust."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from runner.core.errors import NeedsTrust, UsageError
from runner.transcripts.expectations import ExpectationKind, Result
from runner.transcripts.expectations.turn_result import TurnResult

# What a check of the user's may raise by mistake: told as a failed expectation, never as a traceback.
_CHECK_ERRORS = (
    ArithmeticError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
_LOADED: dict[Path, Any] = {}


def _python(expected: str, turn: TurnResult, normalize: tuple[str, ...]) -> Result:
    if not turn.trusted:
        raise NeedsTrust(
            f"the expectation python: {expected} runs code of the transcript's folder",
            fix="look at it, then pass --trust",
        )
    try:
        returned = _function(expected, turn.folder)(turn)
    except AssertionError as error:
        return Result("fail", f"{expected}: {error or 'an assertion failed'}")
    except _CHECK_ERRORS as error:
        return Result("fail", f"{expected}: {type(error).__name__}: {error}")
    if returned is None or returned is True:
        return Result()
    return Result("fail", f"{expected}: {returned}")


def _function(reference: str, folder: Path) -> Callable[[TurnResult], Any]:
    """`checks.py:function`, relative to the transcript. Raises UsageError."""
    file, _, name = reference.rpartition(":")
    path = (folder / file).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise UsageError(f"python: {reference}: there is no file {file} in {folder}")
    if path not in _LOADED:
        spec = spec_from_file_location(f"agent_run_checks_{len(_LOADED)}", path)
        if spec is None or spec.loader is None:
            raise UsageError(f"python: {reference}: {file} is not a Python file")
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        _LOADED[path] = module
    function = getattr(_LOADED[path], name, None)
    if not callable(function):
        raise UsageError(f"python: {reference}: {file} has no function {name}")
    return function  # type: ignore[no-any-return]


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
