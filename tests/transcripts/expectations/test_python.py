"""Python checks: whatever the user's code raises, at import or when it is called, is that expectation's failure."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runner.transcripts.expectations.evaluate import evaluate
from runner.transcripts.expectations.python import KINDS
from runner.transcripts.expectations.turn_result import TurnResult
from runner.transcripts.model import Expectation

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
        ("type('Odd', (), {'__repr__': lambda self: 1 / 0})()", "it returned an object of the type Odd"),
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


def negated(folder: Path, source: str) -> tuple[str, str]:
    (folder / "checks.py").write_text(source)
    expectation = Expectation("python", "checks.py:check", Nowhere(), True)  # type: ignore[arg-type]
    result = evaluate(expectation, TurnResult(folder=folder, trusted=True))
    return result.state, result.why


class Nowhere:
    location = None


@pytest.mark.parametrize("source", [each for each in RAISES.values() if not each.startswith("assert")])
def test_a_check_that_crashes_proves_no_opposite(source: str, tmp_path: Path) -> None:
    for text in (source, f"def check(facts):\n{indented(source)}"):
        assert negated(tmp_path, text)[0] == "fail"


NO_VERDICTS = {
    "zero": "def check(facts): return 0",
    "one": "def check(facts): return 1",
    "nothing said": "def check(facts): return ''",
    "blanks": "def check(facts): return ' '",
    "list": "def check(facts): return []",
    "coroutine": "async def check(facts): assert False",
    "generator": "def check(facts): yield False",
    "lambda": "def check(facts): return lambda: False",
    "class": "class check:\n    def __init__(self, facts): pass",
    "not implemented": "def check(facts): return NotImplemented",
    "like a boolean": "class No:\n    def __bool__(self): return False\ndef check(facts): return No()",
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("source", NO_VERDICTS.values(), ids=NO_VERDICTS)
def test_what_is_no_verdict_holds_neither_way(source: str, tmp_path: Path) -> None:
    state, why = judge(tmp_path, source)
    assert state == "fail" and "a check returns None or True, False or a text" in why
    assert "0x" not in why  # an address would differ at each run
    assert negated(tmp_path, source)[0] == "fail"


@pytest.mark.parametrize("verdict", ["assert False", "return False", "return 'too short'"])
def test_the_opposite_of_what_does_not_hold_does(verdict: str, tmp_path: Path) -> None:
    assert negated(tmp_path, f"def check(facts): {verdict}") == ("pass", "")
    assert negated(tmp_path, "def check(facts): return True")[0] == "fail"


@pytest.mark.parametrize("option", ["", "-O", "-OO"])
def test_asserts_count_whatever_the_interpreter_is_told(option: str, tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text('def is_short(text):\n    """Short."""\n    assert len(text) < 3, "long"\n')
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "__init__.py").write_text("")
    (tmp_path / "parts" / "deep.py").write_text("def no(text): assert not text\n")
    (tmp_path / "checks.py").write_text(
        "import helper\nfrom parts.deep import no\n"
        "def own(facts): assert False\ndef beside(facts): helper.is_short(facts.text)\n"
        "def in_a_package(facts): no(facts.text)\ndef holds(facts): assert helper.is_short.__doc__ and __debug__\n"
    )
    code = (
        "import pathlib\nfrom runner.transcripts.expectations.python import KINDS\n"
        "from runner.transcripts.expectations.turn_result import TurnResult\n"
        f"turn = TurnResult(text='long', folder=pathlib.Path({str(tmp_path)!r}), trusted=True)\n"
        "for name in ('own', 'beside', 'in_a_package', 'holds'):\n"
        "    print(KINDS['python'].evaluate(f'checks.py:{name}', turn, ()).state)\n"
    )
    command = [sys.executable, *([option] if option else []), "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True, env=environment())
    assert done.stdout.split() == ["fail", "fail", "fail", "pass"], done.stderr
    assert not list(tmp_path.rglob("*.pyc"))


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[3]), "."])}


def test_folders_do_not_see_each_others_modules(tmp_path: Path) -> None:
    before = set(sys.modules)
    for word in ("one", "two"):
        folder = tmp_path / word
        folder.mkdir()
        (folder / "helper.py").write_text(f"WORD = {word!r}\n")
        state, why = judge(folder, "def check(facts):\n    import helper\n    return helper.WORD")
        assert (state, why) == ("fail", f"checks.py:check: {word}")
    assert set(sys.modules) - before <= {"runner.tools.captured_output"}


def test_a_changed_file_is_imported_again(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("WORD = 'a'\n")
    source = "import helper\ndef check(facts): return helper.WORD"
    assert judge(tmp_path, source)[1] == "checks.py:check: a"
    (tmp_path / "helper.py").write_text("WORD = 'b'\n")
    assert judge(tmp_path, source)[1] == "checks.py:check: b"
    assert judge(tmp_path, source.replace("WORD", "WORD * 2"))[1] == "checks.py:check: bb"


def test_the_standard_library_is_never_taken_from_beside_a_check(tmp_path: Path) -> None:
    (tmp_path / "colorsys.py").write_text("raise SystemExit")
    assert judge(tmp_path, "import colorsys\ndef check(facts): colorsys.rgb_to_hls(0, 0, 0)") == ("pass", "")


def test_what_a_check_prints_is_told_when_it_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "checks.py").write_text("def check(facts):\n    print('seen')\n    return False\n")
    result = KINDS["python"].evaluate("checks.py:check", TurnResult(folder=tmp_path, trusted=True), ())
    assert result.diff == "!printed: seen"
    assert capsys.readouterr() == ("", "")
