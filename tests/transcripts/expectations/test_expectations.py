"""Every kind of expectation: what it lets pass, what it does not, and what it cannot judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from runner.core.bounded_regex import RegexTime, regex_time
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


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("regex", r"(a|a)+$"),
        ("json", {"at": {"$.a": {"$regex": r"(a|a)+$"}}}),
        ("json", {"at": {"$.a": {"$not": {"$any": [{"$regex": r"(a|a)+$"}, "b"]}}}}),
    ],
)
@pytest.mark.parametrize("negated", [False, True])
def test_a_pattern_that_takes_too_long_is_broken_and_so_is_its_opposite(key: str, value: Any, negated: bool) -> None:
    text = "a" * 60 + "b"
    facts = TurnResult(text=text if key == "regex" else f'{{"a": "{text}"}}')
    with regex_time(RegexTime(0.1)):
        result = evaluate(Expectation(key, value, Nowhere(), negated), facts)  # type: ignore[arg-type]
    assert (result.state, "takes too long" in result.why) == ("broken", True)


@pytest.mark.parametrize(
    ("key", "rendered"),
    [
        ("regex", "("),
        ("json", {"at": {"$[": 1}}),
        ("json", {"at": {"$.a": {"$regex": "("}}}),
        ("json", {"at": {"$.a": {"$range": "soon"}}}),
        ("json", {"at": {"$.a": {"$date": "soon"}}}),
        ("tools", [{"times": {}}]),
        ("contains", ""),
        ("finish", "never"),
        ("events", ["never"]),
    ],
)
@pytest.mark.parametrize("negated", [False, True])
def test_a_template_that_renders_to_what_cannot_be_is_broken(key: str, rendered: Any, negated: bool) -> None:
    expectation = Expectation(key, rendered, Nowhere(), negated, templated=True)  # type: ignore[arg-type]
    result = evaluate(expectation, FACTS)
    assert (result.state, result.crashed) == ("broken", False)


@pytest.mark.parametrize("value", [{"$regex": "{{ a }}("}, {"$date": "{{ day }}"}, {"$.{{ key }}": 1}, "({{ a }}"])
def test_a_template_is_no_problem_before_it_is_rendered(value: Any) -> None:
    key = "regex" if isinstance(value, str) else "json"
    at = value if isinstance(value, str) else {"at": value if "$.{{ key }}" in value else {"$.a": value}}
    assert expectation_kind(key).problem(at) == ""


@pytest.mark.parametrize(
    ("limits", "state"),
    [
        ({"calls": 1, "tool_calls": 3}, "fail"),  # both are kept, and `not` wants them not to be
        ({"calls": 0, "tool_calls": 3}, "pass"),
        ({"calls": 1, "tool_calls": 2}, "pass"),
        ({"calls": 0, "total_ms": 1}, "pass"),  # one is exceeded, whatever the other is
        ({"calls": 1, "total_ms": 1}, "not_run"),
    ],
)
def test_not_turns_a_budget_round_as_a_whole(limits: dict[str, int], state: str) -> None:
    assert judge("budget", limits, FACTS, negated=True) == state


def test_words_of_closed_lists_are_those_of_the_engine() -> None:
    from runner.core import events

    kinds = {getattr(event, "to_dict", None) and event.__name__ for event in get_args(events.Event)}
    assert kinds == {
        *("Asked", "TextDelta", "ThinkingDelta", "Replied", "ToolStarted", "ToolFinished", "Notice", "TurnEnded")
    }, "a new event has a name in EVENT_TYPES"
    names = expectation_kind("events").schema["items"]["enum"]
    assert {"retry", "fallback", "truncated", "evicted", "tool_call", "turn", "error"} <= set(names)
    assert {"stop", "answered", "rounds", "cost_usd"} <= set(expectation_kind("finish").schema["anyOf"][0]["enum"])


def test_the_error_that_ends_a_turn_is_an_event() -> None:
    assert judge("events", ["error"], TurnResult(error=RateLimited("slow down"))) == "pass"
    assert judge("events", ["error"], FACTS, negated=True) == "pass"
