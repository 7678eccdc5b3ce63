"""What a model cannot take is left out of its requests, and told."""

from __future__ import annotations

from typing import Any

import pytest

from runner.core.messages import ToolSpec
from runner.engine.adapted_request import adapted
from runner.engine.route import Route
from runner.gateways import Capabilities, Request, Scripted

TOOL = ToolSpec("look", "Looks.", {"type": "object", "properties": {}})


@pytest.mark.parametrize(
    ("able", "asked", "kept", "told"),
    [
        ({}, {"seed": 1, "top_p": 0.5}, ["seed", "top_p"], None),
        ({"lacks": frozenset({"seed", "stop"})}, {"seed": 1, "stop": ["x"], "top_p": 1}, ["top_p"], "no seed, stop:"),
        ({"sampling": False}, {"seed": 1, "temperature": 0, "top_k": 4}, ["seed"], "no temperature, top_k:"),
        ({"thinking": False}, {"thinking": "high"}, [], "no thinking:"),
        ({"thinking": False}, {"thinking": False}, [], None),
        ({"lacks": frozenset({"parallel_calls"})}, {"parallel_calls": False}, [], "no parallel_calls:"),
    ],
)
def test_options(able: dict[str, Any], asked: dict[str, Any], kept: list[str], told: str | None):
    route = Route(Scripted(), "m")
    request, notices = adapted(Request("m", (), options=asked), route, Capabilities(**able))
    assert list(request.options) == kept
    assert [told in notice.text for notice in notices] == ([True] if told else [])


@pytest.mark.parametrize(
    ("choice", "sent", "told"), [("required", "auto", 1), ("none", "none", 0), ("auto", "auto", 0)]
)
def test_a_choice_of_tools_without_a_word(choice: str, sent: str, told: int):
    asked = Request("m", (), tools=(TOOL,), tool_choice=choice)
    request, notices = adapted(asked, Route(Scripted(), "m"), Capabilities(lacks=frozenset({"tool_choice"})))
    assert (request.tool_choice, len(notices)) == (sent, told)
