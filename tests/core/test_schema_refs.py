"""References are inlined from the same document, bounded, and never fetched."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from runner.core.schema_refs import inline_refs, inline_refs_leniently


def test_references_are_written_out_and_what_stands_beside_them_wins():
    schema = {
        "properties": {"a": {"$ref": "#/$defs/n", "description": "mine"}, "b": {"$ref": "#/definitions/x~1y"}},
        "$defs": {"n": {"type": "integer", "description": "theirs"}},
        "definitions": {"x/y": {"type": "string"}},
    }
    assert inline_refs_leniently(schema) == {
        "properties": {"a": {"type": "integer", "description": "mine"}, "b": {"type": "string"}}
    }


def test_a_schema_that_contains_itself_ends():
    tree = {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}}}
    children = inline_refs_leniently(tree)["properties"]["children"]["items"]["properties"]["children"]
    assert children == {"type": "array", "items": {}}


@pytest.mark.parametrize("reference", ["#/$defs/nowhere", "https://example.org/schema", "#/type", ""])
def test_a_reference_that_leads_nowhere_asks_for_anything(reference):
    schema = {"type": "object", "properties": {"a": {"$ref": reference, "title": "A"}}}
    assert inline_refs_leniently(schema)["properties"]["a"].get("title") == "A"


def test_references_that_double_at_each_level_stay_small():
    doubled = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(60)}
    assert len(json.dumps(inline_refs_leniently({"$ref": "#/$defs/d0", "$defs": doubled}))) < 3_000_000


def test_a_reference_takes_its_siblings_along():
    document = {"a": {"$ref": "#/$defs/x~1y", "description": "mine"}, "$defs": {"x/y": {"type": "string"}}}
    assert inline_refs(document["a"], document) == {"type": "string", "description": "mine"}


@pytest.mark.parametrize("ref", ["#/$defs/a%25b", "#/$defs/a~1b", "#/$defs/list/1"])
def test_pointers_may_have_escapes_and_positions(ref: str):
    names = {"a%b": {"type": "null"}, "a/b": {"type": "null"}, "list": [0, {"type": "null"}]}
    assert inline_refs({"$ref": ref}, {"$defs": names}) == {"type": "null"}


@pytest.mark.parametrize("inlined", [lambda schema: inline_refs(schema, schema), inline_refs_leniently])
def test_a_property_may_be_called_ref_and_values_are_left_alone(inlined: Callable[[Any], Any]):
    schema = {"properties": {"$ref": {"type": "string"}, "$defs": {}}, "const": {"$ref": "#/x"}}
    assert inlined(schema) == schema


@pytest.mark.parametrize("ref", ["#/$defs/nowhere", "https://example.org/schema", "#/type", "other.json#/a"])
def test_a_reference_that_leads_nowhere_or_out_is_refused(ref: str):
    with pytest.raises(ValueError, match=r"\$ref"):
        inline_refs({"$ref": ref}, {"type": "object"})


def test_a_schema_that_explodes_is_refused():
    defs: dict[str, Any] = {"d0": {"type": "null"}}
    for number in range(1, 12):
        defs[f"d{number}"] = {"anyOf": [{"$ref": f"#/$defs/d{number - 1}"}] * 10}
    with pytest.raises(ValueError, match="more than"):
        inline_refs({"$ref": "#/$defs/d11"}, {"$defs": defs})
