"""Functions from files and packages, with all that importing foreign code can do."""

from __future__ import annotations

import py_compile
import sys
from pathlib import Path
from typing import Any

import pytest

from runner.core.errors import UsageError
from runner.core.messages import ToolCall
from runner.tools import Context, Toolbox, ToolEntry, ToolSettings, open_toolbox

TOOLS = '''
from __future__ import annotations
from dataclasses import dataclass
from runner.core.messages import ToolSpec
from runner.tools import Context, tool

calls = []

@dataclass
class Point:
    x: int

def lookup(word: str, at: Point | None = None) -> dict:
    """Look a word up."""
    calls.append(word)
    return {"word": word, "calls": len(calls), "at": at}

@tool(name="store", effects="write", timeout=3)
def save(text: str): ...

class Greeter:
    spec = ToolSpec("greet", "", {"type": "object"})
    def run(self, arguments, context): return f"hello from {type(self).__name__}"

class Group:
    greeter = Greeter()

async def later(context: Context): return context.session
'''


def opened(base: Path, *references: str, **options: Any) -> Toolbox:
    return open_toolbox(
        ToolEntry("python", "it", {"function": each, **options}, "a.yaml:9", base) for each in references
    )


def call(box: Toolbox, name: str, **arguments: Any) -> Any:
    result = box.call(ToolCall("1", name, arguments), Context(session="s1"))
    assert not result.failed, result.output
    return result.output


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    (tmp_path / "tools.py").write_text(TOOLS)
    return tmp_path


def test_functions_tools_classes_and_instances_of_a_file(agent: Path) -> None:
    names = ("lookup", "save", "Greeter", "later")
    box = opened(agent, *(f"./tools.py:{name}" for name in names))
    assert [spec.name for spec in box.specs] == ["lookup", "store", "greet", "later"]
    assert call(box, "lookup", word="a", at={"x": 1}) == {"word": "a", "calls": 1, "at": {"x": 1}}
    assert call(box, "greet") == "hello from Greeter"
    assert call(box, "later") == "s1"
    assert box.seconds(ToolCall("1", "store", {})) == 3
    assert call(opened(agent, "tools.py:Group.greeter"), "greet") == "hello from Greeter"


def test_a_file_is_run_once_for_all_its_tools_and_anew_when_it_changed(agent: Path) -> None:
    first = opened(agent, "./tools.py:lookup")
    call(first, "lookup", word="a")
    assert call(opened(agent, "./tools.py:lookup"), "lookup", word="b")["calls"] == 2
    (agent / "tools.py").write_text(TOOLS + "\n# changed\n")
    assert call(opened(agent, "./tools.py:lookup"), "lookup", word="c")["calls"] == 1


def test_a_declaration_may_rename_describe_and_restrict(agent: Path) -> None:
    box = opened(agent, "./tools.py:lookup", name="find", description="Find.", effects="exec", timeout=4)
    spec = box.specs[0]
    assert (spec.name, spec.description, spec.effects) == ("find", "Find.", "exec")
    assert box.seconds(ToolCall("1", "find", {})) == 4
    assert call(box, "find", word="a")["word"] == "a"


def test_a_function_of_an_installed_package(tmp_path: Path) -> None:
    box = opened(tmp_path, "shlex:quote")
    assert call(box, "quote", s="a b") == "'a b'"


def test_planted_bytecode_is_never_run(agent: Path) -> None:
    evil = agent / "evil.py"
    evil.write_text("def lookup(): return 'hijacked'")
    target = agent / "__pycache__" / f"tools.{sys.implementation.cache_tag}.pyc"
    py_compile.compile(str(evil), str(target), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    assert call(opened(agent, "./tools.py:lookup"), "lookup", word="a")["word"] == "a"


def test_nothing_is_written_beside_the_file(agent: Path) -> None:
    opened(agent, "./tools.py:lookup")
    assert [each.name for each in agent.iterdir()] == ["tools.py"]


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("x = 1\nimport no_such_module", ":2: ModuleNotFoundError: No module named 'no_such_module'"),
        ("def broken(:", ":1: SyntaxError"),
        ("\n\nraise SystemExit(4)", ":3: SystemExit: 4"),
        ("def f():\n    1/0\nf()", ":2: ZeroDivisionError"),
        ("x = 1\0", "null bytes"),
        ("print(", ":1: SyntaxError"),
        ("lookup = 1", "is no tool"),
        ("def look_up(): ...", "it has look_up"),
        ("def lookup(*words): ...", "*words"),
    ],
)
def test_a_file_that_cannot_give_the_tool_is_named_with_the_line(tmp_path: Path, source: str, why: str) -> None:
    (tmp_path / "tools.py").write_text(source)
    before = set(sys.modules)
    with pytest.raises(UsageError) as caught:
        opened(tmp_path, "./tools.py:lookup")
    assert why in f"{caught.value.what}{caught.value.why}"
    assert "a.yaml:9" in caught.value.where or "tools.py:" in caught.value.where
    if "Error" in why or "Exit" in why:
        assert set(sys.modules) == before


@pytest.mark.parametrize(
    "reference", ["./missing.py:f", "no_such_package.x:f", "json:no_such_name", "json:dumps.missing"]
)
def test_what_is_not_there_is_refused(tmp_path: Path, reference: str) -> None:
    with pytest.raises(UsageError) as caught:
        opened(tmp_path, reference)
    assert caught.value.where == "a.yaml:9"


def test_what_a_file_prints_when_it_is_run_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tools.py").write_text("print('loading')\ndef lookup(): ...")
    told: list[str] = []
    open_toolbox(
        [ToolEntry("python", "it", {"function": "tools.py:lookup"}, "", tmp_path)], ToolSettings(notify=told.append)
    )
    assert told == ["tools.py printed: loading"]
    assert capsys.readouterr().out == ""
