"""What a server may send, judged without a server: anything at all must give a listing and an outcome."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.messages import Attachment
from runner.core.sanitize import strip_invisible
from runner.tools.context import ToolOutput
from runner.tools.mcp import content
from runner.tools.mcp.tool_list import read_tool_list
from runner.tools.tool_names import qualified_name
from thoroughness import examples

WORDS = st.sampled_from(
    ["name", "type", "object", "text", "image", "resource", "blob", "uri", "data", "description", "inputSchema",
     "properties", "$ref", "#/$defs/a", "$defs", "a", "items", "required", "title", "mimeType", "content", "contents",
     "messages", "role", "isError", "structuredContent", "enum", "pattern", "("]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=5),
    max_leaves=25,
)
SCHEMA = st.fixed_dictionaries(
    {"type": st.just("object")}, optional={"properties": JSON, "$defs": JSON, "required": JSON}
)
TOOL = st.fixed_dictionaries(
    {"name": st.text(max_size=80), "inputSchema": SCHEMA | JSON}, optional={"description": JSON}
)


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(TOOL | JSON, max_size=6))
def test_any_listing_is_judged_and_what_is_left_is_sound(raw: list[Any]) -> None:
    listing = read_tool_list("it", raw, "write")
    names = [each.spec.name for each in listing.tools]
    assert len(names) == len(set(names)) <= len(raw)
    for each in listing.tools:
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", each.spec.name)
        assert each.spec.parameters["type"] == "object" and isinstance(each.spec.parameters["properties"], dict)
        assert strip_invisible(each.spec.description) == each.spec.description
        assert "$ref" not in each.spec.parameters
        json.dumps(each.spec.parameters)


@settings(max_examples=examples(100), deadline=None)
@given(st.dictionaries(WORDS, JSON, max_size=6))
def test_any_answer_is_an_outcome(result: dict[str, Any]) -> None:
    for read in (content.tool_output, content.resource_output, content.prompt_output):
        assert isinstance(read(result), ToolOutput)


@given(st.text(max_size=90), st.text(max_size=90))
def test_different_names_of_one_server_collide_only_where_letters_had_to_go(one: str, two: str) -> None:
    if one != two and qualified_name("it", one) == qualified_name("it", two):
        assert re.sub(r"[^A-Za-z0-9_-]", "_", one) == re.sub(r"[^A-Za-z0-9_-]", "_", two)


PNG = base64.b64encode(b"\x89PNG").decode()


@pytest.mark.parametrize(
    ("result", "output", "files"),
    [
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "a\nb", ()),
        ({"content": [{"type": "text", "text": "{}"}], "structuredContent": {"n": 1}}, {"n": 1}, ()),
        ({"content": []}, "", ()),
        (
            {"content": [{"type": "image", "data": PNG, "mimeType": "image/png"}]},
            "[image/png, 4 bytes]",
            (Attachment("image/png", b"\x89PNG"),),
        ),
        ({"content": [{"type": "audio", "data": "!"}]}, "[audio, which is not valid base64]", ()),
        ({"content": [{"type": "resource", "resource": {"uri": "a:b", "text": "t"}}]}, "t", ()),
        (
            {"content": [{"type": "resource", "resource": {"uri": "a:b", "blob": PNG}}]},
            "[application/octet-stream, 4 bytes]",
            (Attachment("application/octet-stream", b"\x89PNG", "a:b"),),
        ),
        ({"content": [{"type": "resource_link", "uri": "a:b", "name": "it"}]}, "it: a:b", ()),
        ({"content": [{"type": "hologram"}]}, "[content of an unknown kind: 'hologram']", ()),
    ],
)
def test_contents_are_read_by_their_kind(result: dict[str, Any], output: Any, files: tuple[Attachment, ...]) -> None:
    outcome = content.tool_output(result)
    assert (outcome.output, outcome.files, outcome.failed) == (output, files, False)


def test_a_failure_has_its_text_and_says_so_where_it_has_none() -> None:
    assert content.tool_output({"isError": True, "content": [{"type": "text", "text": "no"}]}) == ToolOutput(
        "no", failed=True
    )
    assert "did not say why" in content.tool_output({"isError": True}).output
