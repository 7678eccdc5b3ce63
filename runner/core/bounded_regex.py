"""Regular expressions of users and of files, searched in bounded time: a pattern that takes too long is an error.

Python's `re` can backtrack for centuries and cannot be stopped. It is used where a glance at the pattern and at the
length of the text shows that it cannot take long; for all else the module `regex`, which stops when its time is up.
Which patterns are valid, and what they mean, is Python's `re` in both cases.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, TypeVar

SECONDS = 1.0
_LEAST_SECONDS = 0.02
_MAX_STEPS = 4_000_000
_MAX_CACHED = 1024

T = TypeVar("T")

# A repeat of a group may hold another repeat; where the flag x spreads a pattern out, that cannot be seen.
_REPEATED_GROUP = re.compile(r"\)\s*[*+{]|\(\?[a-z]*x")
_REPEAT_OR_CHOICE = re.compile(r"[*+?{|]")
_BACKREFERENCE = re.compile(r"\\[1-9]|\(\?P=|\(\?\(")
# A brace that begins no repeat is itself; to the module `regex` it may begin an inexact match.
_BRACE = re.compile(r"\\.|\{(?!\d*,?\d*\})", re.DOTALL)


class PatternTooSlow(ValueError):
    """A pattern took too long on a text."""

    def __init__(self, pattern: str) -> None:
        super().__init__(f"the pattern {pattern if len(pattern) <= 80 else pattern[:79] + '…'} takes too long")


class RegexTime:
    """The seconds of computing that searches may take together; each of them has a moment even when all is used."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self.left = seconds


_TIME: ContextVar[RegexTime | None] = ContextVar("regex_time", default=None)


@contextmanager
def regex_time(limit: RegexTime) -> Iterator[None]:
    """Within the block all searches share this time; without one each has its own."""
    token = _TIME.set(limit)
    try:
        yield
    finally:
        _TIME.reset(token)


@lru_cache(maxsize=_MAX_CACHED)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The pattern, compiled by Python's `re`. Raises ValueError for what is none, or is nested too deeply."""
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(str(error)) from None
    except (OverflowError, RecursionError):
        raise ValueError("it is too large or nested too deeply") from None


def search(pattern: str, text: str) -> Any:
    """The first match in the text, or None. Raises ValueError for an invalid pattern, PatternTooSlow."""
    compiled = compile_pattern(pattern)
    if cannot_take_long(pattern, len(text)):
        return compiled.search(text)
    return _timed(pattern, lambda seconds: _stoppable(pattern).search(text, timeout=seconds))


def sub(pattern: str, replacement: Callable[[Any], str], text: str) -> str:
    """The text with each match replaced. Raises ValueError for an invalid pattern, PatternTooSlow."""
    compiled = compile_pattern(pattern)
    if cannot_take_long(pattern, len(text)):
        return compiled.sub(replacement, text)
    return _timed(pattern, lambda seconds: str(_stoppable(pattern).sub(replacement, text, timeout=seconds)))


@lru_cache(maxsize=_MAX_CACHED)
def _exponents(pattern: str) -> tuple[int, int] | None:
    """How the work on a text grows at most: by which power of its length, and how often it doubles; None if faster."""
    if _REPEATED_GROUP.search(pattern) or _BACKREFERENCE.search(pattern):
        return None
    signs = _REPEAT_OR_CHOICE.findall(pattern)
    doublings = sum(sign in "?|" for sign in signs)
    return 1 + len(signs) - doublings, doublings


def cannot_take_long(pattern: str, length: int) -> bool:
    """Whether searching a text of this length is over soon, however the text reads."""
    exponents = _exponents(pattern)
    if exponents is None:
        return False
    power, doublings = exponents
    return power < 32 and doublings < 32 and (length + 1) ** power << doublings <= _MAX_STEPS


@lru_cache(maxsize=_MAX_CACHED)
def _stoppable(pattern: str) -> Any:
    import regex  # lazy: most patterns cannot take long

    try:
        return regex.compile(_BRACE.sub(lambda part: part[0] if len(part[0]) > 1 else r"\{", pattern), regex.V0)
    except (regex.error, OverflowError, RecursionError) as error:
        raise ValueError(f"it cannot be searched in bounded time: {error}") from None


def _timed(pattern: str, run: Callable[[float], T]) -> T:
    limit = _TIME.get() or RegexTime()
    started = time.process_time()
    try:
        return run(max(limit.left, _LEAST_SECONDS))
    except TimeoutError:
        raise PatternTooSlow(pattern) from None
    finally:
        limit.left -= time.process_time() - started
