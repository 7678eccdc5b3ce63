"""Schemas are cut down to what servers take, and keep their sense where that can be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.gateways.dialects.tool_schemas import (
    close_objects,
    is_open,
    is_strict,
    parameters_schema,
    to_openapi,
)
from thoroughness import examples


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, {"type": "object", "properties": {}}),
        ({"properties": []}, {"type": "object", "properties": {}}),
        ({"$schema": "x", "type": "object"}, {"type": "object", "properties": {}}),
        (
            {
                "anyOf": [
                    {"properties": {"a": {}}, "required": ["a"]},
                    {"properties": {"b": {}}, "required": ["a", "b"]},
                ]
            },
            {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a"]},
        ),
        (
            {"allOf": [{"properties": {"a": {}}, "required": ["a"]}, {"properties": {"b": {}}, "required": ["b"]}]},
            {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a", "b"]},
        ),
    ],
)
def test_parameters_are_one_plain_object(given, wanted):
    assert parameters_schema(given) == wanted


@pytest.mark.parametrize(
    ("schema", "opened"),
    [
        ({"type": "object", "properties": {"a": {"type": "string"}}}, False),
        ({"type": "object"}, True),
        ({"type": "object", "properties": {"a": {"type": "object"}}}, True),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": {"type": "integer"}}, True),
        ({"type": "array", "items": {"type": "string"}}, False),
    ],
)
def test_objects_with_members_that_are_not_named_cannot_be_closed(schema, opened):
    assert is_open(schema) is opened
    assert (close_objects(schema) is None) is opened


def test_closing_goes_all_the_way_down_and_drops_what_is_refused():
    inner = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}
    schema = {
        "type": "object",
        "properties": {
            "list": {"type": "array", "items": inner, "maxItems": 3},
            "one": {"oneOf": [inner, {"type": "null"}]},
            "day": {"type": "string", "format": "date"},
            "card": {"type": "string", "format": "credit-card", "pattern": "x"},
        },
    }
    shut = inner | {"properties": {"n": {"type": "integer"}}, "additionalProperties": False}
    assert close_objects(schema) == {
        "type": "object",
        "properties": {
            "list": {"type": "array", "items": shut},
            "one": {"anyOf": [shut, {"type": "null"}]},
            "day": {"type": "string", "format": "date"},
            "card": {"type": "string"},
        },
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("schema", "wanted"),
    [
        ({"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False}, True),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": False}, False),
        ({"type": "object", "properties": {"a": {}}, "required": ["a"]}, False),
        ({"type": "array", "items": {"type": "object"}}, False),
        ({"type": "string"}, True),
    ],
)
def test_strict_mode_wants_everything_closed_and_required(schema, wanted):
    assert is_strict(schema) is wanted


names = st.sampled_from(["a", "b", "type", "properties", "$ref"])


def schemas() -> Any:
    leaf = st.sampled_from(
        [
            {},
            {"type": "string"},
            {"type": ["integer", "null"]},
            {"type": []},
            {"enum": [1, "a", None]},
            {"enum": []},
            {"const": None},
            {"$ref": "#"},
            {"$ref": "#/$defs/a"},
            True,
        ]
    )

    def around(inner: Any) -> Any:
        some = st.lists(inner, max_size=2)
        members = st.dictionaries(names, inner, max_size=3)
        return st.fixed_dictionaries(
            {},
            optional={
                "type": st.sampled_from(["object", "array", ["object", "array"], "string"]),
                "properties": members,
                "required": st.lists(names, max_size=2),
                "items": inner | some,
                "prefixItems": some,
                "anyOf": some,
                "oneOf": some,
                "allOf": some,
                "additionalProperties": inner,
                "$defs": members,
            },
        )

    return st.recursive(leaf, around, max_leaves=8)


def words(schema: Any) -> set[str]:
    """The keywords of a schema, those of its inner schemas among them."""
    found = set(schema)
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", ())]
    inner += [schema["items"]] if "items" in schema else []
    return found.union(*map(words, inner))


@given(schemas().filter(lambda schema: isinstance(schema, dict)))
@settings(max_examples=examples(150), deadline=None)
def test_any_schema_becomes_one_that_is_taken(schema):
    plain = parameters_schema(schema)
    assert plain["type"] == "object" and isinstance(plain["properties"], dict)
    assert "$defs" not in plain
    taken = {"type", "properties", "required", "items", "anyOf", "nullable", "enum", "description"}
    assert words(to_openapi(plain)) <= taken
    shut = close_objects(schema)
    assert shut is None or json.dumps(shut)
