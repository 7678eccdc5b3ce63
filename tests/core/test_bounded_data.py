"""Documents of others: what they hold, and that no short one stands for a huge value."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.bounded_data import load_json, load_yaml

ALIASES = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
)
MERGES = "a0: &a0 {k: v}\n" + "".join(f"a{n}: &a{n} {{l: *a{n - 1}, r: *a{n - 1}}}\n" for n in range(1, 40))
BOMBS = {
    "aliases": (ALIASES, "values"),
    "mappings": (MERGES, "values"),
    "itself": ("a: &a [*a]", "inside what it names"),
    "brackets": ("[" * 100_000, "levels|YAML"),
    "blocks": ("".join(" " * n + "a:\n" for n in range(1000)), "levels"),
    "chained": ("a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 200)), "levels"),
    "tags": ("!!python/object/apply:os.system [true]", "tag"),
    "documents": ("a: 1\n---\nb: 1", "more than one"),
    "keys": ("{[a]: b}", "key"),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)


@pytest.mark.parametrize("text, why", BOMBS.values(), ids=BOMBS)
def test_t16_no_short_document_stands_for_a_huge_value(text: str, why: str) -> None:
    started = time.process_time()
    with pytest.raises(ValueError, match=why):
        load_yaml(text)
    assert time.process_time() - started < 3


@pytest.mark.parametrize("text", ["[" * 200 + "]" * 200, "[" * 100_000, '{"a":' * 5000 + "1" + "}" * 5000])
def test_t16_json_is_bounded_in_depth(text: str) -> None:
    with pytest.raises(ValueError, match="levels"):
        load_json(text)


@given(JSON)
def test_json_is_what_it_was(value: object) -> None:
    assert load_json(json.dumps(value)) == value


def test_what_yaml_documents_hold() -> None:
    text = """
base: &base {kind: a, "200": {x: 1.5}}
merged: {<<: *base, kind: b}
several: {<<: [*base, {more: yes}]}
200: [2020-01-01, no, true, ~, "true", !!str 5, .5, 1e3, 0x10]
again: [*base]
"""
    base = {"kind": "a", "200": {"x": 1.5}}
    assert load_yaml(text) == {
        "base": base,
        "merged": {**base, "kind": "b"},
        "several": {**base, "more": "yes"},
        "200": ["2020-01-01", "no", True, None, "true", "5", 0.5, 1000.0, "0x10"],
        "again": [base],
    }
