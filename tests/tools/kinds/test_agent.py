"""Another agent file as a tool: what it is given, and how it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner.core.cancel import Cancel
from runner.core.errors import Unreachable, UsageError
from runner.core.messages import ToolCall, ToolResult
from runner.tools import Context, Toolbox, ToolEntry, ToolOutput, ToolSettings, open_toolbox

AskAgent = Callable[[Path, str, Context], ToolOutput]


def box(ask_agent: AskAgent | None, tmp_path: Path, **options: Any) -> Toolbox:
    declared = ToolEntry("agent", "reviewer", {"file": "reviewer.yaml", **options}, "agent.yaml:4", tmp_path)
    return open_toolbox(
        [declared], ToolSettings(ask_agent=ask_agent, describe_agent=lambda path: f"Reads {path.name}.")
    )


def call(toolbox: Toolbox, context: Context | None = None) -> ToolResult:
    return toolbox.call(ToolCall("1", "reviewer", {"message": "look"}), context or Context())


def test_it_gets_the_message_and_its_answer_is_the_result(tmp_path: Path) -> None:
    asked: list[tuple[Path, str, int]] = []

    def ask_agent(path: Path, message: str, context: Context) -> ToolOutput:
        asked.append((path, message, context.depth))
        return ToolOutput("fine")

    result = call(box(ask_agent, tmp_path), Context(depth=2))
    assert (result.output, result.failed) == ("fine", False)
    assert asked == [(tmp_path / "reviewer.yaml", "look", 2)]


def test_its_description_is_the_agents_unless_the_file_gives_one(tmp_path: Path) -> None:
    (spec,) = box(None, tmp_path).specs
    assert (spec.name, spec.description, spec.effects) == ("reviewer", "Reads reviewer.yaml.", "read")
    assert spec.parameters["required"] == ["message"]
    assert box(None, tmp_path, description="Judges.").specs[0].description == "Judges."


def test_where_agents_may_not_be_nested_the_model_is_told(tmp_path: Path) -> None:
    result = call(box(None, tmp_path))
    assert result.failed and "any deeper" in result.output


def test_its_error_is_a_failed_result(tmp_path: Path) -> None:
    def ask_agent(path: Path, message: str, context: Context) -> ToolOutput:
        raise Unreachable("nobody is there", fix="start it")

    result = call(box(ask_agent, tmp_path))
    assert result.failed and "nobody is there" in result.output and "start it" in result.output


def test_its_time_runs_out_and_the_agent_is_stopped(tmp_path: Path) -> None:
    stopped = threading.Event()

    def ask_agent(path: Path, message: str, context: Context) -> ToolOutput:
        with context.cancel.on_cancel(stopped.set):
            stopped.wait(10)
        return ToolOutput("half")

    started = time.monotonic()
    result = call(box(ask_agent, tmp_path, timeout=0.1))
    assert result.failed and "stopped after 0.1 s" in result.output
    assert stopped.is_set() and time.monotonic() - started < 5


def test_a_cancel_passes_through(tmp_path: Path) -> None:
    cancel, stopped = Cancel(), threading.Event()

    def ask_agent(path: Path, message: str, context: Context) -> ToolOutput:
        with context.cancel.on_cancel(stopped.set):
            cancel.cancel()
            stopped.wait(10)
        return ToolOutput("half")

    result = call(box(ask_agent, tmp_path), Context(cancel=cancel))
    assert result.failed and stopped.is_set()


def test_a_real_agent_answers(tmp_path: Path) -> None:
    from runner import ChatSession, load_agent

    (tmp_path / "inner.yaml").write_text(
        "gateway: scripted\nmodel: m\ndescription: Knows.\nscript: [{text: forty-two, usage: {input: 5, output: 2}}]\n"
    )
    (tmp_path / "outer.yaml").write_text(
        "gateway: scripted\nmodel: m\ntools: [{agent: ./inner.yaml}]\n"
        "script: [{calls: [{inner: {message: what?}}]}, {text: done}]\n"
    )
    with ChatSession.from_agent(load_agent(tmp_path / "outer.yaml"), trust=True) as session:
        assert session.tools.specs[0].description == "Knows."
        assert session.send_message("go") == "done"
        results = [result for message in session.messages for result in message.results]
        assert [result.output for result in results] == ["forty-two"]
        assert session.usage.total_tokens >= 7


@pytest.mark.parametrize("deny", ["tasks_add", "current_datetime"])
def test_a_rule_may_name_a_tool_of_either_agent(tmp_path: Path, deny: str) -> None:
    from runner import ChatSession, load_agent

    scripted = "gateway: scripted\nmodel: m\n"
    (tmp_path / "inner.yaml").write_text(f"{scripted}description: d\ntools: [current_datetime]\nscript: [text: yes]\n")
    (tmp_path / "outer.yaml").write_text(
        f"{scripted}tools: [tasks, agent: ./inner.yaml]\n"
        "script: [{calls: [{inner: {message: what?}}]}, {text: done}]\n"
    )
    agent = load_agent(tmp_path / "outer.yaml")
    with ChatSession.from_agent(agent, trust=True, deny=[deny]) as session:
        assert session.send_message("go") == "done"
        assert [result.output for message in session.messages for result in message.results] == ["yes"]
    with pytest.raises(UsageError, match="no tool is named 'currant_datetime'"):
        ChatSession.from_agent(agent, trust=True, deny=["currant_datetime"])


def test_an_agent_that_calls_itself_ends(tmp_path: Path) -> None:
    from runner import ChatSession, load_agent

    (tmp_path / "me.yaml").write_text(
        "gateway: scripted\nmodel: m\ntools: [{agent: ./me.yaml}]\n"
        "script: [{calls: [{me: {message: again}}], usage: {input: 1, output: 1}}, {text: done}]\n"
    )
    with ChatSession.from_agent(load_agent(tmp_path / "me.yaml"), trust=True) as session:
        assert session.send_message("go") == "done"
        assert session.usage.total_tokens >= 2 * 6


@pytest.mark.slow
def test_t12_agents_that_call_each_other_many_times_share_one_bound(tmp_path: Path) -> None:
    from runner import ChatSession, load_agent
    from runner.engine.from_agent import MAX_INNER_CALLS

    names = [f"self{number}" for number in range(4)]
    tools = "".join(f"- agent: {{file: me.yaml, name: {name}}}\n" for name in names)
    calls = ", ".join(f"{name}: {{message: again}}" for name in names)
    (tmp_path / "me.yaml").write_text(
        f"gateway: scripted\nmodel: m\ntools:\n{tools}script:\n"
        f"- {{calls: [{{{calls.replace(', ', '}, {')}}}], usage: {{input: 1, output: 0}}}}\n- text: done\n"
    )
    with ChatSession.from_agent(load_agent(tmp_path / "me.yaml"), trust=True) as session:
        assert session.send_message("go") == "done"
        assert session.usage.total_tokens <= 1 + 4 * (1 + MAX_INNER_CALLS)
