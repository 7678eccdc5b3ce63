"""Tools that talk to the user, and the session's task list."""

from __future__ import annotations

import threading
from typing import Any

from runner.core.messages import ToolCall, ToolResult
from runner.tools import Context, ToolEntry, open_toolbox

BOX = open_toolbox([ToolEntry("builtin", name) for name in ("ask_user", "tell_user", "tasks")])


def did(name: str, context: Context, **arguments: Any) -> ToolResult:
    return BOX.call(ToolCall("1", name, arguments), context)


def test_a_question_reaches_the_user_with_its_choices() -> None:
    asked: list[tuple[str, tuple[str, ...]]] = []

    def ask(question: str, choices: tuple[str, ...]) -> str:
        asked.append((question, choices))
        return "blue"

    context = Context(ask=ask)
    assert did("ask_user", context, question="Which colour?", choices=["red", "blue"]).output == "blue"
    assert did("ask_user", context, question="Why?").output == "blue"
    assert asked == [("Which colour?", ("red", "blue")), ("Why?", ())]


def test_where_nobody_is_the_model_is_told_to_go_on() -> None:
    result = did("ask_user", Context(), question="Anybody?")
    assert result.failed and "Nobody is there" in result.output


def test_a_question_waits_for_the_user_as_long_as_it_takes() -> None:
    assert BOX.seconds(ToolCall("1", "ask_user", {})) is None
    assert BOX.seconds(ToolCall("1", "tell_user", {})) is not None


def test_the_user_is_told() -> None:
    told: list[str] = []
    assert did("tell_user", Context(notify=told.append), text="half done").output == "told"
    assert told == ["half done"]


def test_tasks_belong_to_their_session() -> None:
    mine, other = Context(), Context()
    did("tasks_add", mine, titles=["read", "write"])
    assert did("tasks_mark", mine, number=2, status="done").output == [
        {"number": 1, "title": "read", "status": "open"},
        {"number": 2, "title": "write", "status": "done"},
    ]
    assert did("tasks_list", mine).output == did("tasks_list", mine).output
    assert did("tasks_list", other).output == []


def test_a_task_that_is_not_there_is_named() -> None:
    context = Context()
    for number in (0, 1, -1):
        result = did("tasks_mark", context, number=number, status="done")
        assert result.failed and "the list has 0" in result.output
    assert did("tasks_mark", context, number=1, status="finished").failed


def test_side_by_side_calls_lose_no_task() -> None:
    context = Context()
    threads = [
        threading.Thread(target=did, args=("tasks_add", context), kwargs={"titles": [str(number)]})
        for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(did("tasks_list", context).output) == 20
