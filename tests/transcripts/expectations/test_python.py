"""Python checks: whatever the user's code raises, at import or when it is called, is that expectation's failure."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from runner.transcripts.expectations.python import KINDS
from runner.transcripts.expectations.turn_result import TurnResult

RAISES = {
    "exit": "import sys\nsys.exit(0)",
    "exit without code": "raise SystemExit",
    "keyboard": "raise KeyboardInterrupt",
    "base exception": "class Odd(BaseException): ...\nraise Odd",
    "generator exit": "raise GeneratorExit",
    "recursion": "def deep(): deep()\ndeep()",
    "memory": "raise MemoryError",
    "stop iteration": "raise StopIteration",
    "unknown exception": "class Odd(Exception): ...\nraise Odd('here')",
    "cannot be pickled": "class Odd(Exception):\n    def __reduce__(self): raise TypeError\nraise Odd(lambda: 1)",
    "text raises": "class Odd(Exception):\n    def __str__(self): raise SystemExit(0)\nraise Odd",
    "text is no text": "class Odd(Exception):\n    def __str__(self): return 5\nraise Odd",
    "group": "raise ExceptionGroup('several', [ValueError(1), TypeError(2)])",
    "cancelled": "import asyncio\nraise asyncio.CancelledError",
    "assertion": "assert False",
    "assertion with an odd value": "assert False, type('Odd', (), {'__str__': lambda self: 1 / 0})()",
    "syntax": "def (",
    "missing module": "import nowhere_to_be_found",
}


def judge(folder: Path, source: str) -> tuple[str, str]:
    (folder / "checks.py").write_text(source)
    result = KINDS["python"].evaluate("checks.py:check", TurnResult(folder=folder, trusted=True), ())
    return result.state, result.why


def indented(source: str) -> str:
    return "".join(f"    {line}\n" for line in source.splitlines())


@pytest.mark.parametrize("source", RAISES.values(), ids=RAISES)
def test_whatever_importing_or_calling_a_check_raises_is_a_failure_of_it(source: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for folder, text in (("a", source), ("b", f"def check(facts):\n{indented(source)}")):
        state, why = judge(tmp_path / folder, text)
        assert state == "fail"
        assert why.startswith("checks.py:check: ")


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        ("False", "it returned False"),
        ("''", ""),
        ("'too long'", "too long"),
        ("type('Odd', (), {'__repr__': lambda self: 1 / 0})()", "ZeroDivisionError"),
        ("'x' * 10**7", "xxx"),
    ],
)
def test_whatever_else_it_returns_is_a_failure(returned: str, says: str, tmp_path: Path) -> None:
    state, why = judge(tmp_path, f"def check(facts): return {returned}")
    assert state == "fail"
    assert why.startswith(f"checks.py:check: {says}") and len(why) < 3000


def test_the_users_own_interrupt_is_none(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        judge(
            tmp_path,
            f"import os, time\ndef check(facts):\n    os.kill({os.getpid()}, {signal.SIGINT})\n    time.sleep(9)",
        )
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
