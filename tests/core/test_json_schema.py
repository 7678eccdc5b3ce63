"""Values against JSON Schemas: what does not fit and where, in both libraries' agreement, and never for long."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.json_schema import InvalidSchema, JsonSchema
from runner.core.json_schema_explanation import GENERAL_MESSAGE
from thoroughness import examples

DRAFT_4, DRAFT_7 = ("http://json-schema.org/draft-04/schema#", "http://json-schema.org/draft-07/schema#")
NAME_AND_AGE = {"properties": {"name": {"type": "string"}, "age": {"type": "integer"}}, "additionalProperties": False}


def violations(schema: Any, value: Any) -> list[tuple[tuple[str | int, ...], str]]:
    return [(violation.path, violation.message) for violation in JsonSchema(schema).violations(value)]


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        ({"type": "integer"}, "x", '"x" is not of type "integer"'),
        ({"type": ["string", "null"]}, {"b": 1.0, "a": "é"}, '{"a":"é","b":1.0} is not of types "null", "string"'),
        ({"enum": [1, "a", None]}, 2, '2 is not one of 1, "a" or null'),
        ({"enum": [0]}, 2, "2 is not one of 0"),
        ({"enum": [0, 1, 3, 4]}, 2, "2 is not one of 0, 1 or 2 other candidates"),
        ({"const": {"a": 1}}, 2, '{"a":1} was expected'),
        ({"minimum": 3}, 1, "1 is less than the minimum of 3"),
        ({"exclusiveMinimum": 3}, 3, "3 is less than or equal to the minimum of 3"),
        ({"$schema": DRAFT_4, "maximum": 3, "exclusiveMaximum": True}, 3,
         "3 is greater than or equal to the maximum of 3"),
        ({"multipleOf": 0.1}, 0.35, "0.35 is not a multiple of 0.1"),
        ({"minLength": 2}, "é", '"é" is shorter than 2 characters'),
        ({"maxItems": 1}, [1, 2], "[1,2] has more than 1 item"),
        ({"minProperties": 2}, {}, "{} has less than 2 properties"),
        ({"uniqueItems": True}, [1, 1.0], "[1,1.0] has non-unique elements"),
        ({"contains": {"type": "null"}}, [1], "None of [1] are valid under the given schema"),
        ({"pattern": r"^\d+$"}, "b", r'"b" does not match "^\d+$"'),
        ({"$schema": DRAFT_7, "format": "date"}, "b", '"b" is not a "date"'),
        ({"required": ["a"]}, {}, '"a" is a required property'),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, '"b" is a required property'),
        ({"additionalProperties": False}, {"it's": 1},
         "Additional properties are not allowed ('it's' was unexpected)"),
        ({"unevaluatedProperties": False}, {"a": 1, "b": 2},
         "Unevaluated properties are not allowed ('a', 'b' were unexpected)"),
        ({"propertyNames": {"maxLength": 1}}, {"ab": 1}, '"ab" is longer than 1 character'),
        ({"anyOf": [{"type": "null"}, {"minLength": 3}]}, "x",
         "\"x\" is not valid under any of the schemas listed in the 'anyOf' keyword"),
        ({"oneOf": [{"type": "null"}, False]}, "x",
         "\"x\" is not valid under any of the schemas listed in the 'oneOf' keyword"),
        ({"oneOf": [{}, True]}, "x", "\"x\" is valid under more than one of the schemas listed in the 'oneOf' keyword"),
        ({"not": {"type": "string"}}, "x", '{"type":"string"} is not allowed for "x"'),
        ({"if": True, "then": {"minLength": 2}}, "x", '"x" is shorter than 2 characters'),
        (False, 1, "False schema does not allow 1"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said(schema: Any, value: Any, message: str):
    assert violations(schema, value) == [((), message)]


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        (NAME_AND_AGE, {"age": "1", "x": 1, "name": 2}, [("age",), ("name",), ()]),
        ({"properties": {"a": False}}, {"a": 1}, [("a",)]),
        ({"items": {"prefixItems": [{"$ref": "#/$defs/n"}]}, "$defs": {"n": {"type": "null"}}}, [[1], [2]],
         [(0, 0), (1, 0)]),
        ({"patternProperties": {"^x": {"type": "null"}}, "additionalProperties": {"type": "string"}},
         {"x1": 1, "y": 1}, [("y",), ("x1",)]),
        ({"$schema": DRAFT_7, "$ref": "#/definitions/n", "minimum": 9, "definitions": {"n": {"maximum": 3}}}, 5, [()]),
    ],
)  # fmt: skip
def test_each_violation_has_its_path_in_the_order_of_the_value(schema: Any, value: Any, expected: Any):
    assert [path for path, _ in violations(schema, value)] == expected


def test_a_violation_knows_its_keyword_its_names_and_its_branches():
    (closed,) = JsonSchema({**NAME_AND_AGE, "required": ["age"]}).violations({"age": 1, "x": 1, "y": 2})
    assert (closed.keyword, closed.names, closed.schema["required"]) == ("additionalProperties", ("x", "y"), ["age"])
    (union,) = JsonSchema({"items": {"anyOf": [{"type": "null"}, {"required": ["a"]}]}}).violations([{}])
    assert [[(part.keyword, part.path) for part in branch] for branch in union.branches] == [
        [("type", (0,))],
        [("required", (0,))],
    ]


@pytest.mark.parametrize(
    ("schema", "path", "message"),
    [
        ({"properties": {"a": {"type": 3}}}, ("properties", "a", "type"), "3 is not valid under any"),
        ({"$ref": "#/nowhere"}, (), "'/nowhere' does not exist"),
        ({"$ref": "https://example.org/s.json"}, (), "outside the schema"),
        ({"$ref": "file:///etc/hostname"}, (), "outside the schema"),
        ({"$schema": "https://example.org/own"}, (), "Unknown meta-schema"),
        ({"pattern": "("}, ("pattern",), 'not a "regex"'),
    ],
)
def test_what_is_no_schema_is_said_with_its_path(schema: Any, path: Any, message: str):
    with pytest.raises(InvalidSchema, match=message) as caught:
        JsonSchema(schema).compile()
    assert caught.value.path == path and "\n" not in str(caught.value)


SLOW_PATTERN, SLOW_TEXT = "^(a|a|aa)+$", "a" * 60 + "b"
NESTED = {f"d{level}": {"anyOf": [{"$ref": f"#/$defs/d{level + 1}"}] * 2} for level in range(16)}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": SLOW_PATTERN}, SLOW_TEXT),
        ({"properties": {"a": {"items": {"pattern": SLOW_PATTERN}}}}, {"a": [SLOW_TEXT]}),
        ({"patternProperties": {SLOW_PATTERN: True}, "additionalProperties": False}, {SLOW_TEXT: 1}),
        ({"patternProperties": {SLOW_PATTERN: True}, "unevaluatedProperties": False}, {SLOW_TEXT: 1}),
        ({"properties": {"a": {"$schema": DRAFT_7, "pattern": SLOW_PATTERN}}}, {"a": SLOW_TEXT}),
        ({"$schema": DRAFT_7, "items": {"$ref": "#"}, "pattern": SLOW_PATTERN}, [SLOW_TEXT]),
        ({"propertyNames": {"pattern": SLOW_PATTERN}}, {SLOW_TEXT: 1}),
        ({"uniqueItems": True}, [*([number] for number in range(20_000)), [1]]),
        ({"items": {"type": "null"}}, [0] * 300_000),
        ({"$ref": "#/$defs/d0", "$defs": {**NESTED, "d16": {"type": "null"}}}, 1),
    ],
    ids=range(10),
)
def test_no_schema_and_no_value_take_long(schema: Any, value: Any):
    started = time.monotonic()
    assert 0 < len(JsonSchema(schema).violations(value)) <= 1_000
    assert time.monotonic() - started < 10


def test_a_value_too_deep_to_explain_has_a_general_message():
    tree: Any = 1
    for _ in range(200):
        tree = {"child": tree}
    schema = {"type": "object", "properties": {"child": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}}
    assert violations(schema, {"child": {"child": 1}})
    deep = {"type": "object", "properties": {"child": {"$ref": "#"}}}
    assert violations(deep, tree)[0][1] in (GENERAL_MESSAGE, '1 is not of type "object"')


names = st.sampled_from(["a", "b", "c"])
plain = st.sampled_from([None, True, False, 0, 1, 2.0, 2.5, -1, 10**20, 10**400, 1e300, "", "a", "é", "2020-01-01"])
values = st.recursive(plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3))
types = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
bounds = st.sampled_from([0, 1, 1.5, 2])
sizes = st.integers(0, 2)
LEAVES: dict[str, Any] = {
    "type": types | st.lists(types, min_size=1, max_size=3, unique=True),
    "enum": st.lists(values, min_size=1, max_size=4), "const": values,
    "minimum": bounds, "exclusiveMaximum": bounds, "multipleOf": st.sampled_from([2, 0.5, 0.1]),
    "minLength": sizes, "maxLength": sizes, "pattern": st.sampled_from(["^a", r"\d", "b$", r"\w", "[é]", r"\p{L}"]),
    "format": st.sampled_from(["date", "email", "ipv4"]), "minItems": sizes, "maxItems": sizes,
    "uniqueItems": st.booleans(), "required": st.lists(names, max_size=2, unique=True), "maxProperties": sizes,
    "$ref": st.sampled_from(["#/$defs/x", "#/$defs/y"]), "dependentRequired": st.just({"a": ["b"]}),
}  # fmt: skip


def nested(inner: Any) -> Any:
    pairs = st.lists(inner, min_size=1, max_size=2)
    return st.fixed_dictionaries(
        {},
        optional=LEAVES
        | dict.fromkeys(("items", "contains", "additionalProperties", "propertyNames", "not", "if", "then"), inner)
        | dict.fromkeys(("unevaluatedProperties", "unevaluatedItems"), inner)
        | dict.fromkeys(("prefixItems", "allOf", "anyOf", "oneOf"), pairs)
        | {
            "properties": st.dictionaries(names, inner, max_size=2),
            "dependentSchemas": st.fixed_dictionaries({"a": inner}),
        }
        | {"patternProperties": st.dictionaries(st.sampled_from(["^a", "b|c"]), inner, max_size=1)},
    )


schemas = st.recursive(st.booleans() | st.fixed_dictionaries({}, optional=LEAVES), nested, max_leaves=4)
drafts = st.sampled_from([None, DRAFT_7, "https://json-schema.org/draft/2019-09/schema"])


@settings(max_examples=examples(200), deadline=None)
@given(schemas, schemas, drafts, st.lists(values, min_size=1, max_size=4))
def test_both_libraries_agree_on_what_is_valid(schema: Any, definition: Any, draft: str | None, candidates: list[Any]):
    if isinstance(schema, dict):
        defs = {"x": definition if "$ref" not in str(definition) else True, "y": {"type": "integer"}}
        schema = {**schema, "$defs": defs} | ({"$schema": draft} if draft else {})
    compiled = JsonSchema(schema)
    try:
        compiled.compile()
    except InvalidSchema:
        return
    for value in candidates:
        found = compiled.violations(value)
        assert bool(found) is not compiled.is_valid(value)
        general = "unevaluatedProperties" in str(schema) and "patternProperties" in str(schema)
        assert general or GENERAL_MESSAGE not in [violation.message for violation in found], (schema, value)
