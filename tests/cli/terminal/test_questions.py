"""Questions in a real pseudo-terminal: nothing answers them but what was typed after they could be read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = "gateway: scripted\nmodel: m\n"


def agent(folder: Path, *calls: dict[str, Any], tools: str = "", **more: Any) -> str:
    """An agent file whose model makes these calls, one a reply, and then says done."""
    file = folder / "agent.yaml"
    entries = [*({"calls": [call]} for call in calls), "done"]
    file.write_text(f"{SCRIPT}tools:\n{tools or TOUCH}\nscript: {json.dumps(entries)}\n{json.dumps(more)[1:-1]}")
    return str(file)


TOUCH = (
    "- command: {name: touch, description: Make a file., run: [touch, '{name}'], parameters: {name: {type: string}}}"
)
FILES = "- files: {root: ., write: true}"


@pytest.fixture
def chat(tmp_path: Path, at_terminal: Callable[..., Any]) -> Callable[..., Any]:
    """A chat, at its prompt."""

    def start(*calls: dict[str, Any], tools: str = "", rows: int = 24, columns: int = 80) -> Any:
        terminal = at_terminal(agent(tmp_path, *calls, tools=tools), "--trust")
        terminal.expect("Query: ")
        terminal.child.setwinsize(rows, columns)
        return terminal

    return start


def touched(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if file.name != "agent.yaml")


def test_what_was_typed_before_a_question_does_not_answer_it(tmp_path: Path, at_terminal) -> None:
    delayed = [{"text": "wait", "delay": 1, "calls": [{"touch": {"name": "made"}}]}, "done"]
    file = tmp_path / "agent.yaml"
    file.write_text(
        f"{SCRIPT}tools: [{TOUCH[2:].replace('command: ', '{command: ')}}}]\nscript: {json.dumps(delayed)}\n"
    )
    terminal = at_terminal(str(file), "--trust")
    terminal.expect("Query: ")
    terminal.type("go")
    terminal.press("y\r\ny\r\nalways\r\n")
    terminal.expect("Allow it?")
    terminal.type("n")
    terminal.expect("done")
    assert touched(tmp_path) == []


def test_an_empty_line_is_no_answer_and_the_end_of_input_is_no(tmp_path: Path, chat) -> None:
    terminal = chat({"touch": {"name": "a"}}, {"touch": {"name": "b"}})
    terminal.type("go")
    terminal.expect("Allow it?")
    terminal.type("")
    terminal.expect("Allow it?")
    terminal.type("perhaps")
    terminal.expect("Allow it?")
    terminal.type("yes")
    terminal.expect("Allow it?")
    terminal.press("\x04")
    terminal.expect("done")
    assert touched(tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("answer", "asked_again"),
    [
        ("a", ["b", "ab"]),  # this call alone; the third call repeats it
        ("t", []),
        ("touch(touch a*)", ["b"]),
    ],
)
def test_always_holds_for_what_it_says(tmp_path: Path, chat, answer: str, asked_again: list[str]) -> None:
    terminal = chat(*({"touch": {"name": name}} for name in ("a", "b", "a", "ab")))
    terminal.type("go")
    terminal.expect("[a]lways touch(touch a), [t]ool: always touch, or a rule: ")
    terminal.type("touch(rm *)")
    terminal.expect("the rule 'touch(rm *)' is not about this call")
    terminal.expect("Allow it?")
    terminal.type(answer)
    for name in asked_again:
        terminal.expect(f"name: {json.dumps(name)}")
        terminal.expect("Allow it?")
        terminal.type("no")
    terminal.expect("done")
    assert touched(tmp_path) == sorted({"a", "b", "ab"} - set(asked_again))


def test_a_star_in_a_call_is_no_glob_when_it_is_always_allowed(tmp_path: Path, chat) -> None:
    terminal = chat({"touch": {"name": "a*"}}, {"touch": {"name": "abc"}})
    terminal.type("go")
    terminal.expect("Allow it?")
    terminal.type("a")
    terminal.expect('name: "abc"')
    terminal.expect("Allow it?")
    terminal.type("n")
    terminal.expect("done")
    assert touched(tmp_path) == ["a*"]


def test_a_file_that_would_be_written_is_shown_as_a_diff(tmp_path: Path, chat) -> None:
    (tmp_path / "notes.md").write_text("one\ntwo\nthree\n")
    terminal = chat(
        {"files_write": {"path": "notes.md", "content": "one\nzwei \u202e\nthree\n"}},
        {"files_edit": {"path": "notes.md", "old": "three", "new": "drei"}},
        {"files_write": {"path": "new.md", "content": "größer\n"}},
        tools=FILES,
    )
    terminal.type("go")
    shown = terminal.expect("Allow it?")
    assert re.search(r"notes\.md\r\n.*    -two\r\n    \+zwei \\u202e\r\n     three", shown, re.DOTALL), shown
    terminal.type("y")
    shown = terminal.expect("Allow it?")
    assert "    -three\r\n    +drei" in shown
    terminal.type("n")
    shown = terminal.expect("Allow it?")
    assert "    +größer" in shown
    terminal.type("y")
    terminal.expect("done")
    assert (tmp_path / "notes.md").read_text() == "one\nzwei \u202e\nthree\n"
    assert (tmp_path / "new.md").read_text() == "größer\n"


def test_arguments_are_shown_as_they_are_and_whole_a_screenful_at_a_time(tmp_path: Path, chat) -> None:
    name = "Zoë\n" + "x " * 3000 + "\nlast 漢字 \x1b[2J"
    terminal = chat({"touch": {"name": name}}, rows=20, columns=60)
    terminal.type("go")
    shown = ""
    for _ in range(100):
        terminal.child.expect([r"Enter shows more, n stops and answers no\) ", r"Allow it\?"])
        shown += terminal.child.before
        if terminal.child.after == "Allow it?":
            break
        assert terminal.child.before.count("\n") <= 20
        terminal.type("")
    else:
        raise AssertionError("it never asked")
    assert "| Zoë" in shown
    assert "| last 漢字 \\x1b[2J" in shown
    assert shown.count("x ") >= 3000
    terminal.type("n")
    terminal.expect("done")


def test_to_stop_reading_is_no(tmp_path: Path, chat) -> None:
    terminal = chat({"touch": {"name": "\n".join("abcdefghij" * 9)}}, rows=20, columns=60)
    terminal.type("go")
    terminal.expect("Enter shows more")
    terminal.type("n")
    terminal.expect("done")
    assert touched(tmp_path) == []


def test_a_question_of_a_tool_wants_an_answer(tmp_path: Path, at_terminal) -> None:
    file = tmp_path / "agent.yaml"
    call = {"ask_user": {"question": "Which?\x1b[2J", "choices": ["red", "blue"]}}
    file.write_text(f"{SCRIPT}tools: [ask_user]\nscript: {json.dumps([{'calls': [call]}, 'done'])}\n")
    terminal = at_terminal(str(file), "-v")
    terminal.expect("Query: ")
    terminal.type("go")
    assert "Which?\\x1b[2J" in terminal.expect("2. blue")
    terminal.expect("> ")
    terminal.type("")
    terminal.expect("> ")
    terminal.type("2")
    terminal.expect("blue")
    terminal.expect("done")
