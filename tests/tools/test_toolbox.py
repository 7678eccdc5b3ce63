"""Whatever a tool or a model does, a call gives a result that says what to do."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.cancel import Cancel
from runner.core.chunks import parse_arguments
from runner.core.errors import UsageError
from runner.core.messages import ToolCall, ToolResult, ToolSpec
from runner.core.thread_pool import Job, side_by_side
from runner.tools import (
    Context,
    DateResolver,
    Toolbox,
    ToolEntry,
    ToolFailed,
    ToolOutput,
    ToolSettings,
    open_toolbox,
    tool,
)
from thoroughness import examples


def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


def called(box: Toolbox, name: str, raw: str = "{}", context: Context | None = None) -> ToolResult:
    """A call as the model wrote it."""
    arguments, problem = parse_arguments(raw)
    return box.call(ToolCall("c1", name, arguments, raw, problem), context or Context())


@pytest.fixture(autouse=True)
def private_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AGENT_RUN_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ('{"a": 2}', 3),
        ('{"a": 2, "b": 3}', 5),
        ("", "a"),
        ("null", "a"),
        ('{"a": "2"}', "a: "),
        ('{"a": 2.5}', "a: "),
        ('{"a": true}', "a: "),
        ('{"a": 1, "c": 2}', "'c'"),
        ('{"a": 1, "a": 2}', "duplicate key"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('{"a": 1}}', "not valid JSON: Extra data"),
        ('{"a": 1', "not valid JSON"),
        ("[1]", "must be a JSON object, not list"),
        ('"a"', "must be a JSON object, not str"),
        ("[" * 100_000, "nested"),
    ],
)
def test_arguments_are_checked_and_never_coerced(raw: str, said: Any) -> None:
    result = called(Toolbox([add]), "add", raw)
    if isinstance(said, int):
        assert (result.output, result.failed) == (said, False)
    else:
        assert result.failed
        assert said in result.output
        assert "not run" in result.output


def test_bad_json_is_quoted_back_in_part() -> None:
    result = called(Toolbox([add]), "add", '{"a": ' + "x" * 1000)
    assert '\'{"a": xxx' in result.output
    assert len(result.output) < 500


@pytest.mark.parametrize(
    ("name", "said"),
    [("Add", None), ("ADD", None), ("ad", "Did you mean add?"), ("nothing_like_it", "Use one of the tools")],
)
def test_an_unknown_name_gets_near_ones_and_another_case_is_taken(name: str, said: str | None) -> None:
    def numbered(n: int) -> Any:
        def extra() -> None: ...

        return tool(name=f"extra_number_{n}")(extra)

    told: list[str] = []
    box = Toolbox([add, *(numbered(n) for n in range(40))])
    result = called(box, name, '{"a": 1}', Context(notify=told.append))
    if said is None:
        assert result.output == 2
        assert told == [f"the model called {name!r}: taken for 'add'"]
    else:
        assert result.failed and said in result.output
        assert result.output.count("extra_number") <= 5


def test_a_small_box_names_all_its_tools() -> None:
    assert "Did you mean add?" in called(Toolbox([add]), "zzz").output


def test_names_that_differ_in_case_alone_are_not_mixed_up() -> None:
    @tool(name="ADD")
    def other() -> str:
        return "other"

    box = Toolbox([add, other])
    assert called(box, "ADD").output == "other"
    assert called(box, "Add").failed


class Evil:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def raiser(error: BaseException) -> Callable[[], Any]:
    def fault() -> Any:
        raise error

    return fault


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("wrong"), "fault failed: ValueError: wrong"),
        (SystemExit(3), "fault tried to end the program (exit code 3)"),
        (KeyboardInterrupt(), "stopped"),
        (ToolFailed("say please"), "say please"),
        (RecursionError("deep"), "RecursionError"),
        (MemoryError(), "MemoryError"),
        (GeneratorExit(), "GeneratorExit"),
        (Unspeakable(), "Unspeakable"),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "lone"), "UnicodeEncodeError"),
    ],
)
def test_what_a_tool_raises_becomes_a_failed_result(error: BaseException, said: str) -> None:
    box = Toolbox([raiser(error)])
    found: list[ToolResult] = []
    thread = threading.Thread(target=lambda: found.append(called(box, "fault")))
    thread.start()
    thread.join()
    assert found[0].failed and said in found[0].output
    json.dumps(found[0].output).encode()


def test_the_users_own_interrupt_goes_through() -> None:
    with pytest.raises(KeyboardInterrupt):
        called(Toolbox([raiser(KeyboardInterrupt())]), "fault")


def test_a_cancelled_session_runs_nothing() -> None:
    ran: list[int] = []

    def note() -> None:
        ran.append(1)

    cancel = Cancel()
    cancel.cancel()
    assert called(Toolbox([note]), "note", context=Context(cancel=cancel)).failed
    assert not ran


PRINTING = """
import sys, threading
from runner.core.messages import ToolCall
from runner.tools import Context, Toolbox

def chatty(n: int) -> str:
    print("from ", end="")
    sys.stdout.buffer.write(b"%d\\n" % n)
    inner = threading.Thread(target=print, args=("from a thread",))
    inner.start()
    inner.join()
    return f"done {n}"

notices = []
stdout = sys.stdout
box, context = Toolbox([chatty]), Context(notify=notices.append)
calls = [ToolCall(str(n), "chatty", {"n": n}, f'{{"n": {n}}}') for n in range(8)]
threads = [threading.Thread(target=box.call, args=(call, context)) for call in calls]
for thread in threads:
    thread.start()
print("the answer")
for thread in threads:
    thread.join()
assert sys.stdout is stdout
assert sorted(notices) == [f"chatty printed: from {n}" for n in range(8)], notices
"""


def test_what_a_tool_prints_is_told_and_stays_off_stdout() -> None:
    """In a process of its own: a tool that never returned, left behind by another test, still holds sys.stdout here."""
    done = subprocess.run([sys.executable, "-c", PRINTING], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "the answer\n"
    assert done.stderr.count("from a thread") == 8


def test_endless_printing_is_bounded() -> None:
    def flood() -> None:
        for _ in range(10_000):
            print("x" * 1000)

    told: list[str] = []
    called(Toolbox([flood]), "flood", context=Context(notify=told.append))
    assert len(told[0]) < 3000


def test_an_inline_tool_talks_to_the_user_itself(capsys: pytest.CaptureFixture[str]) -> None:
    @tool(inline=True)
    def ask() -> str:
        print("really?")
        return "yes"

    box = Toolbox([ask])
    assert box.seconds(ToolCall("1", "ask", {})) is None
    assert called(box, "ask").output == "yes"
    assert capsys.readouterr().out == "really?\n"


def test_seconds_are_the_tools_own_or_the_agents() -> None:
    @tool(timeout=3)
    def brief() -> None: ...

    box = Toolbox([add, brief], seconds=50)
    assert [box.seconds(ToolCall("1", name, {})) for name in ("add", "Brief", "missing")] == [50, 3, None]


class Greeter:
    spec = ToolSpec("greet", "Greet.", {"type": "object"})

    def run(self, arguments: Mapping[str, Any], context: Context) -> str:
        return "hello"


@pytest.mark.parametrize("thing", [Greeter, Greeter()], ids=["class", "instance"])
def test_tools_come_as_classes_and_as_instances(thing: Any) -> None:
    assert called(Toolbox([thing]), "greet").output == "hello"


@pytest.mark.parametrize("thing", [3, "resolve_date", object])
def test_what_is_no_tool_is_refused(thing: Any) -> None:
    with pytest.raises(UsageError, match="is no tool"):
        Toolbox([thing])


def test_a_name_that_no_server_takes_is_refused() -> None:
    for name in ("größe", "a b", "x" * 65):
        with pytest.raises(UsageError, match="cannot be a tool's name"):
            Toolbox([tool(name=name)(add)])


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="two tools are named 'resolve_date'"):
        Toolbox([DateResolver, DateResolver()])


class Server:
    """A source whose tools change."""

    def __init__(self) -> None:
        self.closed = 0
        self.now: list[Any] = [Greeter()]

    def tools(self) -> list[Any]:
        return self.now

    def close(self) -> None:
        self.closed += 1


def test_a_source_is_asked_again_and_closed() -> None:
    server = Server()
    box = Toolbox([add, server])
    assert [spec.name for spec in box.specs] == ["add", "greet"]
    server.now = []
    assert [spec.name for spec in box.specs] == ["add"]
    assert called(box, "greet").failed
    box.close()
    assert server.closed == 1


def test_the_schema_is_never_fetched_from_elsewhere() -> None:
    class Remote(Greeter):
        spec = ToolSpec("greet", "", {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/schema"}}})

    result = called(Toolbox([Remote]), "greet", '{"a": 1}')
    assert result.failed and "outside the schema" in result.output


# --- declared tools


def test_declared_tools_are_opened_by_the_catalogue() -> None:
    declared = [
        ToolEntry("builtin", "resolve_date"),
        ToolEntry("builtin", "current_datetime", {"timezone": "Europe/Berlin", "timeout": 5, "effects": "read"}),
        ToolEntry("builtin", "tasks"),
    ]
    box = open_toolbox(declared, ToolSettings(seconds=7))
    assert [spec.name for spec in box.specs] == [
        "resolve_date", "current_datetime", "tasks_add", "tasks_mark", "tasks_list",
    ]  # fmt: skip
    assert box.specs[1].effects == "read"
    assert [box.seconds(ToolCall("1", spec.name, {})) for spec in box.specs[:3]] == [7, 5, None]


def test_an_unknown_built_in_is_refused_with_its_place() -> None:
    with pytest.raises(UsageError, match="there is no tool 'resolve_dates'") as caught:
        open_toolbox([ToolEntry("builtin", "resolve_dates", where="a.yaml:4")])
    assert caught.value.where == "a.yaml:4"


# --- results


@dataclasses.dataclass
class Point:
    x: float
    tags: set[str]


def looped() -> list[Any]:
    value: list[Any] = [1]
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        ("a\ud800b", "a\ufffdb"),
        (b"text", "text"),
        (b"\xff\xfe", "(2 bytes that are no text)"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        ({1: {"b", "a"}, None: (1, 2)}, {"1": ["a", "b"], "null": [1, 2]}),
        (Point(1.5, {"t"}), {"x": 1.5, "tags": ["t"]}),
        (looped(), [1, "(contains itself)"]),
        (object(), "(object)"),
        ((n for n in range(3)), [0, 1, 2]),
        (Path("a/b"), "a/b"),
        (ValueError("odd"), "odd"),
        (ToolOutput("done"), "done"),
    ],
)
def test_a_result_becomes_plain_json(value: Any, shown: Any) -> None:
    def give() -> Any:
        return value

    result = called(Toolbox([give]), "give")
    assert not result.failed
    assert result.output == shown
    json.dumps(result.output, allow_nan=False).encode()


def test_results_beyond_json_do_no_harm() -> None:
    def endless() -> Any:
        while True:
            yield 1

    def huge() -> int:
        return 10**5000

    def deep() -> Any:
        value: list[Any] = []
        for _ in range(5000):
            value = [value]
        return value

    def evil() -> Any:
        return [Evil()]

    box = Toolbox([endless, huge, deep, evil])
    for name in ("endless", "huge", "deep"):
        result = called(box, name)
        assert not result.failed
        json.dumps(result.output)
    assert "RuntimeError: no words" in called(box, "evil").output


def test_an_image_travels_beside_the_output() -> None:
    def draw() -> bytes:
        return b"\x89PNG\r\n\x1a\n" + bytes(10)

    result = called(Toolbox([draw]), "draw")
    assert result.output == "(image/png, 18 bytes)"
    assert [file.media_type for file in result.files] == ["image/png"]


@pytest.mark.parametrize("failing", [False, True])
def test_huge_output_is_cut_and_kept_in_a_private_file(private_state: Path, failing: bool) -> None:
    text = "ä" * 50_000 + "end"

    def flood() -> str:
        if failing:
            raise ToolFailed(text)
        return text

    result = called(Toolbox([flood], output_bytes=1000), "flood")
    assert result.failed is failing
    assert len(result.output.encode()) < 1500
    assert result.output.startswith("ää") and result.output.endswith("end")
    assert "100003 bytes in all" in result.output and "\ufffd" not in result.output
    [kept] = (private_state / "outputs").iterdir()
    assert str(kept) in result.output
    assert kept.read_text() == text
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700


def test_huge_json_is_cut_too_and_old_files_go(private_state: Path) -> None:
    def rows() -> list[int]:
        return list(range(10_000))

    box = Toolbox([rows], output_bytes=1000)
    outputs = [called(box, "rows").output for _ in range(25)]
    assert all(output.startswith("[0, 1, 2") and output.endswith("9999]") for output in outputs)
    assert len(list((private_state / "outputs").iterdir())) == 20


def test_output_that_cannot_be_kept_is_still_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AGENT_RUN_STATE_HOME", str(tmp_path / "file"))

    def flood() -> str:
        return "x" * 100_000

    result = called(Toolbox([flood], output_bytes=1000), "flood")
    assert not result.failed and "could not be kept" in result.output


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=examples(60), deadline=None)
@given(JSON)
def test_any_value_becomes_json_text(value: Any) -> None:
    def give() -> Any:
        return value

    result = called(Toolbox([give]), "give")
    assert not result.failed
    json.dumps(result.output, allow_nan=False, ensure_ascii=False).encode()


@settings(max_examples=examples(60), deadline=None)
@given(st.text(), st.text(), JSON)
def test_no_call_raises(name: str, raw: str, value: Any) -> None:
    box = Toolbox([add, DateResolver])
    assert isinstance(called(box, name, raw), ToolResult)
    arguments = value if isinstance(value, dict) else {"a": value, "date": value}
    for each in ("add", "resolve_date"):
        assert isinstance(box.call(ToolCall("1", each, arguments), Context()), ToolResult)


def test_side_by_side_calls_are_all_answered_whatever_one_of_them_does() -> None:
    release = threading.Event()

    def hang() -> None:
        release.wait(30)

    def fail() -> None:
        raise ValueError("broken")

    box = Toolbox([add, hang, fail], seconds=0.3)
    calls = [
        ToolCall(str(n), name, {"a": 1} if name == "add" else {}) for n, name in enumerate(("hang", "fail", "add"))
    ]
    jobs = [Job(lambda call=call: box.call(call, Context()), box.seconds(call)) for call in calls]
    late = ToolResult("0", "hang", "late", failed=True)
    try:
        results = dict(side_by_side(jobs, lambda position: late))
    finally:
        release.set()
    assert [results[n].output for n in range(3)] == ["late", "fail failed: ValueError: broken", 2]


def test_an_installed_package_may_offer_a_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = tmp_path / "others-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[agent_run.tools]\nstock_price = others_tools:stock_price\n")
    (tmp_path / "others_tools.py").write_text("def stock_price(symbol: str) -> float: return 1.5\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    box = open_toolbox([ToolEntry("builtin", "stock_price")])
    assert called(box, "stock_price", '{"symbol": "X"}').output == 1.5
