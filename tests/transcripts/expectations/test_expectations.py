"""Every kind of expectation: what it lets pass, what it does not, and what it cannot judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runner.core.errors import NeedsTrust, RateLimited
from runner.core.events import Notice, Replied, ToolStarted, TurnEnded
from runner.core.messages import ToolCall, ToolSpec, Usage
from runner.gateways import Request
from runner.transcripts.expectations import MODULES, expectation_kind
from runner.transcripts.expectations.evaluate import evaluate
from runner.transcripts.expectations.turn_result import ActualCall, TurnResult
from runner.transcripts.files.schema import transcript_schema
from runner.transcripts.model import Expectation


class Nowhere:
    location = None


def judge(key: str, wanted: Any, facts: TurnResult, **modifiers: Any) -> str:
    return evaluate(Expectation(key, wanted, Nowhere(), **modifiers), facts).state  # type: ignore[arg-type]


def called(name: str, batch: int = 1, returned: Any = None, failed: bool = False, **arguments: Any) -> ActualCall:
    return ActualCall(name, arguments, "", batch, returned, failed)


FACTS = TurnResult(
    text="Done:\r\n“Reminder” r-118, **two** words. ",
    calls=(
        called("find", date="next Friday", n=1),
        called("find", date="tomorrow"),
        called("save", 2, {"id": 7}, title="A B"),
    ),
    events=(
        Notice("retry", ""),
        ToolStarted(ToolCall("1", "find", {})),
        Replied("", "stop", Usage(10, 5)),
        TurnEnded(Usage(10, 5), 0.1),
    ),
    requests=(Request("m", (), "Be kind.\n", (ToolSpec("find", "", {}),), options={"temperature": 0.2}),),
    finish="stop",
    reason="answered",
    usage=Usage(10, 5),
)

PASS = [
    ("text", "Done:\n“Reminder” r-118, **two** words.", {}),
    ("text", 'Done: "Reminder" r-118, two words.', {"normalize": ("quotes", "ws", "markdown")}),
    ("contains", "r-118", {}),
    ("contains", {"any": ["x", "r-118"]}, {}),
    ("contains", {"all": ["two", "Done"], "any": ["words"]}, {}),
    ("contains", "x", {"negated": True}),
    ("icontains", {"all": ["DONE", "REMINDER"]}, {}),
    ("regex", r"r-(?P<rid>\d+)", {}),
    ("words", 5, {}),
    ("words", {"min": 5, "max": 5}, {}),
    ("tools", {"mode": "in_order", "calls": [{"find": {"date": "tomorrow"}}, {"save": {}}]}, {}),
    ("tools", [{"find": {}}, {"find": {}, "with_previous": True}, {"save": {}}], {}),
    ("tools", {"mode": "any_order", "calls": [{"save": {}}, {"find": {}}, {"find": {"n": 1}}]}, {}),
    ("tools", {"mode": "subset", "calls": [{"save": {}}, {"find": {}}, {"find": {}}, {"send": {}}]}, {}),
    ("tools", {"mode": "superset", "calls": [{"save": {"title": "A B"}, "args": "exact", "returned": {"id": 7}}]}, {}),
    ("tools", {"mode": "superset", "calls": [{"find": {}, "times": 2}, {"send": {}, "times": 0}]}, {}),
    ("tools", [], {"negated": True}),
    ("request", {"system": "Be kind.", "tools": ["find"], "options": {"temperature": 0.2}, "messages": 0}, {}),
    ("events", ["retry", "tool_call", "turn"], {}),
    ("finish", "stop", {}),
    ("finish", ["length", "answered"], {}),
    ("exit", 0, {}),
    ("budget", {"calls": 1}, {}),
    ("budget", {"tool_calls": 3}, {}),
    ("budget", {"in_tokens": 10}, {}),
]
FAIL = [
    ("text", "Done", {}),
    ("contains", {"all": ["Done", "x"]}, {}),
    ("contains", {"any": ["x", "y"]}, {}),
    ("contains", "done", {}),
    ("contains", "Done", {"negated": True}),
    ("regex", "^r-118", {}),
    ("words", 4, {}),
    ("words", {"min": 6}, {}),
    ("json", {}, {}),
    ("tools", [], {}),
    ("tools", [{"find": {}}], {}),
    ("tools", {"mode": "in_order", "calls": [{"save": {}}, {"find": {}}]}, {}),
    ("tools", {"mode": "in_order", "calls": [{"find": {}}, {"save": {}, "with_previous": True}]}, {}),
    ("tools", {"mode": "any_order", "calls": [{"save": {}}, {"find": {}}, {"find": {"n": 2}}]}, {}),
    ("tools", {"mode": "subset", "calls": [{"find": {}}, {"find": {}}]}, {}),
    ("tools", {"mode": "superset", "calls": [{"find": {"date": "tomorrow"}, "times": 2}]}, {}),
    ("tools", {"mode": "superset", "calls": [{"find": {"date": "next Friday"}, "args": "exact"}]}, {}),
    ("tools", {"mode": "superset", "calls": [{"save": {}, "failed": True}]}, {}),
    ("request", {"options": {"temperature": 0.3}}, {}),
    ("request", {"system": {"$regex": "cruel"}}, {}),
    ("events", ["tool_call", "retry"], {}),
    ("events", ["fallback"], {}),
    ("finish", "length", {}),
    ("exit", 4, {}),
    ("budget", {"calls": 0}, {}),
    ("budget", {"out_tokens": 4}, {}),
]


def test_every_kind_is_tried_here() -> None:
    by_a_file = {"python"}
    assert {key for key, _, _ in PASS} >= MODULES.keys() - by_a_file - {"json"}
    assert {key for key, _, _ in FAIL} >= MODULES.keys() - by_a_file - {"icontains"}


@pytest.mark.parametrize(("key", "wanted", "modifiers"), PASS)
def test_what_holds(key: str, wanted: Any, modifiers: dict[str, Any]) -> None:
    assert expectation_kind(key).problem(wanted) == ""
    assert judge(key, wanted, FACTS, **modifiers) == "pass"


@pytest.mark.parametrize(("key", "wanted", "modifiers"), FAIL)
def test_what_does_not_hold(key: str, wanted: Any, modifiers: dict[str, Any]) -> None:
    assert judge(key, wanted, FACTS, **modifiers) == "fail"


@pytest.mark.parametrize(
    ("key", "wanted", "modifiers"),
    [
        ("budget", {"total_ms": 1}, {}),
        ("budget", {"first_token_ms": 1}, {}),
        ("budget", {"cost_usd": 1}, {}),
        ("contains", "Done", {"when": "live"}),
        ("budget", {"total_ms": 1}, {"negated": True}),
    ],
)
def test_what_cannot_be_judged_in_a_replay_never_passes(key: str, wanted: Any, modifiers: dict[str, Any]) -> None:
    assert judge(key, wanted, FACTS, **modifiers) == "not_run"


def test_live_times_count() -> None:
    live = TurnResult(first_token_ms=20, total_ms=50, live=True)
    assert judge("budget", {"total_ms": 49}, live) == "fail"
    assert judge("budget", {"first_token_ms": 20}, live) == "pass"
    assert judge("contains", "", live, when="replay") == "not_run"


def test_json_by_schema_and_by_place() -> None:
    facts = TurnResult(text='Here:\n```json\n{"a": [{"b": 1}], "d": "2026-03-13"}\n```\n')
    schema = {"type": "object", "required": ["a"]}
    assert judge("json", {"schema": schema, "at": {"$.a[*].b": 1, "$.d": {"$date": "2026-03-13"}}}, facts) == "pass"
    assert judge("json", {"at": {"$.a[0].c": 1}}, facts) == "fail"
    assert judge("json", {"schema": {"required": ["z"]}}, facts) == "fail"
    assert judge("json", {"at": {"$.z": {"$ignore": True}}}, facts) == "pass"


def test_a_named_group_is_captured() -> None:
    found = evaluate(Expectation("regex", r"(?P<rid>r-\d+)", Nowhere()), FACTS)  # type: ignore[arg-type]
    assert found.captured == {"rid": "r-118"}


def test_the_exit_code_of_a_failed_turn() -> None:
    assert judge("exit", 4, TurnResult(error=RateLimited("slow down"))) == "pass"


def test_a_function_of_the_users(tmp_path: Path) -> None:
    (tmp_path / "checks.py").write_text(
        "def good(facts):\n    assert 'Done' in facts.text\n"
        "def bad(facts):\n    return 'too short'\n"
        "def wrong(facts):\n    return {}['x']\n"
    )
    facts = TurnResult(text="Done", trusted=True, folder=tmp_path)
    assert judge("python", "checks.py:good", facts) == "pass"
    assert judge("python", "checks.py:bad", facts) == "fail"
    assert judge("python", "checks.py:wrong", facts) == "fail"
    with pytest.raises(NeedsTrust, match="runs code"):
        judge("python", "checks.py:good", TurnResult(folder=tmp_path))


def test_every_kind_is_in_the_schema() -> None:
    properties = transcript_schema()["$defs"]["expectation"]["properties"]
    assert properties.keys() == MODULES.keys() | {"not", "when", "severity", "normalize"}
