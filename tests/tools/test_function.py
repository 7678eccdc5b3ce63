"""Signatures against the schemas they must give, and arguments against what the function must get."""

import dataclasses
import datetime
import enum
import inspect
import json
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict

import pydantic
import pytest

from runner.core.cancel import Cancel
from runner.core.errors import UsageError
from runner.core.messages import ToolCall
from runner.tools import Context, Toolbox, tool

STRING, INTEGER = {"type": "string"}, {"type": "integer"}


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Weight(enum.Enum):
    LIGHT = b"light"
    HEAVY = b"heavy"


@dataclasses.dataclass
class Point:
    x: float
    y: Annotated[float, "up"] = 0.0


@dataclasses.dataclass
class Line:
    points: list[Point]
    colour: Colour = Colour.RED
    tags: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Tree:
    name: str
    children: "list[Tree]" = dataclasses.field(default_factory=list)


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Pair(NamedTuple):
    left: int
    right: int = 2


class Inner(pydantic.BaseModel):
    n: int


class Outer(pydantic.BaseModel):
    inner: Inner
    note: str = pydantic.Field("", description="a note")


POINT = {
    "type": "object",
    "properties": {"x": {"type": "number"}, "y": {"type": "number", "description": "up", "default": 0.0}},
    "additionalProperties": False,
    "required": ["x"],
}

HINTS: list[tuple[Any, dict[str, Any], Any, Any]] = [
    (str, STRING, "a", "a"),
    (int, INTEGER, 3, 3),
    (float, {"type": "number"}, 3, 3.0),
    (bool, {"type": "boolean"}, True, True),
    (None, {"type": "null"}, None, None),
    (Any, {}, [1], [1]),
    (str | None, {"anyOf": [STRING, {"type": "null"}]}, None, None),
    (datetime.date | int, {"anyOf": [{**STRING, "format": "date"}, INTEGER]}, "2025-07-04", datetime.date(2025, 7, 4)),
    (datetime.date | int, {"anyOf": [{**STRING, "format": "date"}, INTEGER]}, 7, 7),
    (list[int], {"type": "array", "items": INTEGER}, [1], [1]),
    (list, {"type": "array", "items": {}}, [1, "a"], [1, "a"]),
    (Sequence[str], {"type": "array", "items": STRING}, ["a"], ["a"]),
    (set[str], {"type": "array", "items": STRING, "uniqueItems": True}, ["a"], {"a"}),
    (tuple[int, ...], {"type": "array", "items": INTEGER}, [1, 2], (1, 2)),
    (
        tuple[int, str],
        {"type": "array", "prefixItems": [INTEGER, STRING], "minItems": 2, "maxItems": 2},
        [1, "a"],
        (1, "a"),
    ),
    (dict[str, int], {"type": "object", "additionalProperties": INTEGER}, {"a": 1}, {"a": 1}),
    (dict[int, str], {"type": "object", "additionalProperties": STRING}, {"1": "a"}, {1: "a"}),
    (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}, "b", "b"),
    (Literal["a", 1, None], {"enum": ["a", 1, None]}, 1, 1),
    (Colour, {"type": "string", "enum": ["red", "blue"]}, "blue", Colour.BLUE),
    (Weight, {"type": "string", "enum": ["LIGHT", "HEAVY"]}, "HEAVY", Weight.HEAVY),
    (Annotated[int, "how many"], {"type": "integer", "description": "how many"}, 2, 2),
    (datetime.date, {"type": "string", "format": "date"}, "2025-07-04", datetime.date(2025, 7, 4)),
    (
        datetime.datetime,
        {"type": "string", "format": "date-time"},
        "2025-07-04T10:00:00Z",
        datetime.datetime(2025, 7, 4, 10, tzinfo=datetime.UTC),
    ),
    (Path, STRING, "a/b", Path("a/b")),
    (Point, POINT, {"x": 1}, Point(1.0)),
    (
        Line,
        {
            "type": "object",
            "properties": {
                "points": {"type": "array", "items": POINT},
                "colour": {"type": "string", "enum": ["red", "blue"], "default": "red"},
                "tags": {"type": "array", "items": STRING},
            },
            "additionalProperties": False,
            "required": ["points"],
        },
        {"points": [{"x": 1, "y": 2}], "colour": "blue"},
        Line([Point(1.0, 2.0)], Colour.BLUE),
    ),
    (
        Tree,
        {
            "type": "object",
            "properties": {"name": STRING, "children": {"type": "array", "items": {"type": "object"}}},
            "additionalProperties": False,
            "required": ["name"],
        },
        {"name": "a", "children": [{"name": "b"}]},
        Tree("a", [Tree("b")]),
    ),
    (
        Movie,
        {
            "type": "object",
            "properties": {"title": STRING, "year": INTEGER},
            "additionalProperties": False,
            "required": ["title"],
        },
        {"title": "M"},
        {"title": "M"},
    ),
    (
        Pair,
        {
            "type": "object",
            "properties": {"left": INTEGER, "right": {**INTEGER, "default": 2}},
            "additionalProperties": False,
            "required": ["left"],
        },
        {"left": 1},
        Pair(1),
    ),
    (
        Outer,
        {
            "type": "object",
            "title": "Outer",
            "properties": {
                "inner": {
                    "type": "object",
                    "title": "Inner",
                    "properties": {"n": {**INTEGER, "title": "N"}},
                    "required": ["n"],
                },
                "note": {"type": "string", "title": "Note", "description": "a note", "default": ""},
            },
            "required": ["inner"],
        },
        {"inner": {"n": 1}},
        Outer(inner=Inner(n=1)),
    ),
]


def call(function: Any, **arguments: Any) -> Any:
    return Toolbox([function]).call(ToolCall("1", function.__name__, arguments), Context())


@pytest.mark.parametrize(("hint", "schema", "given", "wanted"), HINTS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_hint_becomes_a_schema_and_its_value_comes_back(hint: Any, schema: Any, given: Any, wanted: Any) -> None:
    got = []

    def take(value: Any) -> None:
        got.append(value)

    take.__annotations__["value"] = hint
    taker = tool(take)
    assert taker.spec.parameters["properties"]["value"] == schema
    result = call(taker, value=given)
    assert not result.failed, result.output
    assert got == [wanted]
    assert type(got[0]) is type(wanted)


def test_the_embedded_models_server_accepts_every_schema(llama_server: Any) -> None:
    def take() -> None: ...

    parameters = [inspect.Parameter(f"value_{n}", inspect.Parameter.KEYWORD_ONLY) for n in range(len(HINTS))]
    take.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    take.__annotations__ = {each.name: hint for each, (hint, *_) in zip(parameters, HINTS, strict=True)}
    spec = tool(take).spec
    body = {
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 1,
        "tools": [{"type": "function", "function": {"name": spec.name, "parameters": spec.parameters}}],
    }
    # Tools alone are not looked into where the model's template knows none; a reply's schema always is.
    forced = {"type": "json_schema", "json_schema": {"name": "it", "schema": spec.parameters}}
    for each in (body, {**body, "tools": [], "response_format": forced}):
        request = urllib.request.Request(
            f"{llama_server.url}/v1/chat/completions",
            json.dumps(each).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {llama_server.key}"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            assert response.status == 200


@pytest.mark.parametrize(
    ("hint", "given", "path"),
    [
        (list[Point], [{"x": 1}, {"x": "1"}], "value[1].x"),
        (int, "1", "value"),
        (str, 1, "value"),
        (bool, "true", "value"),
        (Colour, "green", "value"),
        (list[datetime.date], ["2025-07-04", "soon"], "value[1]"),
        (Line, {"points": [], "size": 1}, "value"),
        (Tree, {"name": "a", "children": [{"name": "b", "children": [{"name": 1}]}]}, "value.children[0].children[0]"),
        (int | list[datetime.date], ["soon"], "value[0]"),
        (dict[int, str], {"x": "a"}, "value.x"),
        (Outer, {"inner": {"n": "x"}}, "value.inner.n"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_path_and_never_coerced(hint: Any, given: Any, path: str) -> None:
    ran = []

    def take(value: Any) -> None:
        ran.append(value)

    take.__annotations__["value"] = hint
    result = call(tool(take), value=given)
    assert result.failed and not ran
    assert f"{path}: " in result.output


GOOGLE = """Find a book.

    Looks in the catalogue only.

    Args:
        title: what it is called
        year (int): when it came out
    """
NUMPY = """Find a book.

    Looks in the catalogue only.

    Parameters
    ----------
    title : str
        what it is called
    year : int
        when it came out
    """
REST = """Find a book.

    Looks in the catalogue only.

    :param title: what it is called
    :param int year: when it came out
    """


@pytest.mark.parametrize("docstring", [GOOGLE, NUMPY, REST], ids=["google", "numpy", "rest"])
def test_a_docstring_describes_the_tool_and_its_parameters(docstring: str) -> None:
    def find(title: str, year: int = 0) -> None: ...

    find.__doc__ = docstring
    spec = tool(find).spec
    assert spec.description == "Find a book.\n\nLooks in the catalogue only."
    properties = spec.parameters["properties"]
    assert properties["title"]["description"] == "what it is called"
    assert properties["year"] == {"type": "integer", "description": "when it came out", "default": 0}
    assert spec.parameters["required"] == ["title"]


def test_the_context_is_injected_and_hidden() -> None:
    def who(context: Context, greeting: str = "hello") -> str:
        return f"{greeting} from {context.session}"

    box = Toolbox([who])
    assert list(box.specs[0].parameters["properties"]) == ["greeting"]
    assert box.call(ToolCall("1", "who", {}), Context(session="s1")).output == "hello from s1"
    assert box.call(ToolCall("1", "who", {"context": "x"}), Context()).failed


def test_async_functions_run_and_stop_with_the_session() -> None:
    import asyncio

    cancel = Cancel()

    async def quick(n: int) -> int:
        await asyncio.sleep(0)
        return n + 1

    async def endless() -> None:
        cancel.cancel()
        await asyncio.sleep(60)

    box = Toolbox([quick, endless])
    assert box.call(ToolCall("1", "quick", {"n": 1}), Context()).output == 2
    stopped = box.call(ToolCall("1", "endless", {}), Context(cancel=cancel))
    assert stopped.failed and stopped.seconds < 10


def test_a_decorated_function_stays_a_function() -> None:
    @tool(name="plus", description="Add.", effects="none", timeout=3)
    def add(a: int, /, b: int = 1) -> int:
        return a + b

    assert add(1) == 2
    assert add.__name__ == "add"
    assert (add.spec.name, add.spec.description, add.spec.effects, add.timeout) == ("plus", "Add.", "none", 3)
    assert Toolbox([add]).call(ToolCall("1", "plus", {"a": 1, "b": 5}), Context()).output == 6


class Opaque:
    pass


@pytest.mark.parametrize(
    ("parameter", "why"),
    [("*args: int", "*args"), ("**kwargs: int", "**kwargs"), ("a: Opaque", "Opaque"), ("a: Missing", "Missing")],
)
def test_a_signature_that_json_cannot_say_is_refused_with_its_place(parameter: str, why: str) -> None:
    scope: dict[str, Any] = {"Opaque": Opaque}
    exec(f"from __future__ import annotations\ndef f({parameter}): ...", scope)
    with pytest.raises(UsageError, match="'f' cannot be a tool") as caught:
        Toolbox([scope["f"]])
    assert why in caught.value.why
    assert caught.value.where.endswith(":2")
