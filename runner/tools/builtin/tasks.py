"""The tools of the task list, by which a model keeps track of longer work; one list a session.

They run in the session's own thread: calls of one reply change the list in their order.
"""

from __future__ import annotations

import threading
from typing import Annotated, Any, Literal

from runner.tools.context import Context, ToolFailed
from runner.tools.function import tool

Status = Literal["open", "in progress", "done", "dropped"]


class TaskList:
    """Tasks by number, from 1; safe to change from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: list[tuple[str, str]] = []

    @classmethod
    def of(cls, context: Context) -> TaskList:
        """The session's own."""
        tasks: TaskList = context.state.setdefault("tasks", cls())
        return tasks

    def add(self, titles: list[str]) -> None:
        with self._lock:
            self._tasks += [(title, "open") for title in titles]

    def mark(self, number: int, status: str) -> None:
        """Raises IndexError."""
        with self._lock:
            if not 1 <= number <= len(self._tasks):
                raise IndexError(number)
            self._tasks[number - 1] = (self._tasks[number - 1][0], status)

    def as_list(self) -> list[dict[str, Any]]:
        return [{"number": n, "title": title, "status": status} for n, (title, status) in enumerate(self._tasks, 1)]


@tool(effects="none", inline=True)
def tasks_add(context: Context, titles: Annotated[list[str], "One short line each."]) -> list[dict[str, Any]]:
    """Add tasks to the session's list; gives the whole list."""
    tasks = TaskList.of(context)
    tasks.add(titles)
    return tasks.as_list()


@tool(effects="none", inline=True)
def tasks_mark(
    context: Context, number: Annotated[int, "The task's number in the list."], status: Status
) -> list[dict[str, Any]]:
    """Say how far a task is; gives the whole list."""
    tasks = TaskList.of(context)
    try:
        tasks.mark(number, status)
    except IndexError:
        raise ToolFailed(f"There is no task {number}; the list has {len(tasks.as_list())}.") from None
    return tasks.as_list()


@tool(effects="none", inline=True)
def tasks_list(context: Context) -> list[dict[str, Any]]:
    """The session's tasks."""
    return TaskList.of(context).as_list()


TASKS = (tasks_add, tasks_mark, tasks_list)
for _task in TASKS:
    _task.separator = "_"
