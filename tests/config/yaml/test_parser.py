"""YAML 1.2, and the place of everything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.config.text_file import MAX_BYTES
from runner.config.yaml.document import Document, NodePath, position_at
from runner.config.yaml.parser import load_document, load_documents
from runner.core.errors import ConfigError
from thoroughness import examples


def value(text: str) -> Any:
    return load_document("x.yaml", text=f"v: {text}\n").value["v"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no", "no"), ("on", "on"), ("Yes", "Yes"), ("y", "y"), ("true", True), ("False", False), ("tRUE", "tRUE"),
        ("~", None), ("null", None), ("Null", None), ("nULL", "nULL"), ("", None),
        ("12", 12), ("010", 10), ("0o17", 15), ("0x1F", 31), ("+5", 5), ("-5", -5), ("1_000", "1_000"),
        ("0b1", "0b1"), ("12:30", "12:30"), ("1e3", 1000.0), ("1E-2", 0.01), (".5", 0.5), ("1.", 1.0), ("1.10", 1.1),
        ("-", None), ("+", "+"), (".", "."), ("..", ".."), ("-x", "-x"), ("1.2.3", "1.2.3"), ("0x", "0x"),
        ("2024-01-01", "2024-01-01"), ("2024-01-01 10:00:00", "2024-01-01 10:00:00"), ("=", "="),
        ("'5'", "5"), ('"true"', "true"), ('"\\u00e9"', "é"), ("\U0001f600", "\U0001f600"),
    ],
)  # fmt: skip
def test_the_core_schema(text: str, expected: object):
    found = [None] if text == "-" else value(text)
    assert found == (expected if text != "-" else [expected])
    assert type(found) is type(expected) or text == "-"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cn", "Cs", "Zl", "Zp"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=8), inner
        )
    ),
    max_leaves=15,
)


@settings(max_examples=examples(150), deadline=None)
@given(JSON)
def test_every_json_value_is_itself_in_flow_style(written: Any):
    assert load_document("x", text=json.dumps({"v": written}, ensure_ascii=False)).value == {"v": written}


def paths(value: Any, path: NodePath = ()) -> list[NodePath]:
    inner: list[NodePath] = [path]
    if isinstance(value, dict):
        inner += [each for key, child in value.items() for each in paths(child, (*path, key))]
    elif isinstance(value, list):
        inner += [each for index, child in enumerate(value) for each in paths(child, (*path, index))]
    return inner


def text_at(document: Document, line: int, column: int) -> str:
    return document.text.split("\n")[line - 1][column - 1 :]


WORDS = st.recursive(
    st.from_regex(r"w[a-z]{1,8}( [a-z]{1,12}){0,9}", fullmatch=True) | st.integers(0, 999),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.from_regex(r"k[a-z]{1,5}", fullmatch=True), inner),
    max_leaves=15,
)


@settings(max_examples=examples(100), deadline=None)
@given(st.dictionaries(st.from_regex(r"k[a-z]{1,5}", fullmatch=True), WORDS, min_size=1, max_size=4), st.booleans())
def test_places_point_at_what_they_name(written: dict[str, Any], flow: bool):
    document = load_document("x", text=yaml.safe_dump(written, default_flow_style=flow, width=60))
    assert document.value == written
    for path in paths(written)[1:]:
        if isinstance(path[-1], str):
            line, column, length = document.key_span(path) or (0, 0, 0)
            assert text_at(document, line, column)[:length] == path[-1]
        found: Any = written
        for key in path:
            found = found[key]
        line, column, length = document.span(path) or (0, 0, 0)
        if isinstance(found, str | int):
            assert text_at(document, line, column).startswith(str(found).split()[0])
            assert position_at(document.source_map(path), 0) == (line, column)


def test_places_in_flow_maps_and_lists():
    document = load_document("x", text="a: {b: no, c: [1, 0o17]}\nd:\n- e: |\n    foo\n  f: 'g'\n")
    assert document.span(("a", "b")) == (1, 8, 2)
    assert document.key_span(("a", "c")) == (1, 12, 1)
    assert document.span(("a", "c", 1)) == (1, 19, 4)
    assert document.key_span(("d", 0, "f")) == (5, 3, 1)
    assert document.span(("d", 0, "f")) == (5, 6, 3)
    assert document.span(("a", "z")) is None
    assert document.span(("a", "c", 7)) is None


@pytest.mark.parametrize(
    "text",
    [
        "v: |\n  one\n\n    two TARGET\n  three\n",
        "v: |+2\n    one\n   TARGET\n\n\n",
        "v: >\n  one\n  two\n  TARGET three\n\n  four\n",
        "v: >-\n  one TARGET\n",
        "v: one\n  two TARGET\n",
        "v: 'one TARGET'\n",
        "v: 'one\n  two\n\n  TARGET'\n",
        'v: "one TARGET"\n',
        "x: {v: [1, 'TARGET']}\n",
        "v: |  # TARGET of a comment\n  é \U0001f600 TARGET\n",
    ],
)
def test_an_offset_in_a_text_has_its_line_and_column(text: str):
    document = load_document("x", text=text)
    path: NodePath = ("v",) if "v" in document.value else ("x", "v", 1)
    found = document.value
    for key in path:
        found = found[key]
    place = position_at(document.source_map(path), found.index("TARGET"))
    assert place is not None
    assert text_at(document, *place).startswith("TARGET")


def test_several_documents():
    documents = load_documents("x", text="a: 1\n---\nb: 2\n---\n# nothing\n---\nc: 3\n...\n")
    assert [each.value for each in documents] == [{"a": 1}, {"b": 2}, {"c": 3}]
    assert documents[2].key_span(("c",)) == (7, 1, 1)
    assert load_documents("x", text="") == ()


@pytest.mark.parametrize("odd", ["\x85", "\u2028", "\u2029"])
def test_lines_are_counted_as_editors_count_them(odd: str):
    document = load_document("x", text=f"a: 'one{odd}two'\nb:\n- c: [1, 2]\n")
    assert document.key_span(("b", 0, "c")) == (3, 3, 1)
    assert document.span(("b", 0, "c", 1)) == (3, 10, 1)
    with pytest.raises(ConfigError, match=r"^x:2:4: error: unexpected ':'"):
        load_document("x", text=f"a: 'one{odd}two'\nb: : c\n")


def test_aliases_are_copies():
    found = load_document("x", text="a: &a {b: [1]}\nc: *a\n").value
    found["a"]["b"].append(2)
    assert found["c"] == {"b": [1]}


def test_limits_on_values_count_what_aliases_expand_to():
    bomb = "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a]\nc: [*b,*b]\n"
    assert len(load_documents("x", text=bomb, max_nodes=200)) == 1
    with pytest.raises(ConfigError, match="more than 50 values"):
        load_documents("x", text=bomb, max_nodes=50)


@pytest.mark.parametrize("hostile", ["[" * 200_000, "- " * 100_000, "{a: " * 50_000, "? " * 50_000])
def test_deep_nesting_ends_in_an_error(hostile: str):
    with pytest.raises(ConfigError, match="deeper than 64"):
        load_document("x", text=hostile)


def test_deep_nesting_is_told_where_it_begins():
    with pytest.raises(ConfigError, match=r"^x:2:65: error: nested deeper than 64 levels"):
        load_document("x", text="v:\n  " + "[" * 2_000)
    with pytest.raises(ConfigError, match=r"^x:2:\d+: error: the list opened at line 2 is not closed"):
        load_document("x", text="v:\n  [" + "[], " * 2_000 + "1}")


NO_LIBYAML = """
import json, sys
sys.modules["yaml._yaml"] = None
from runner.config.loader import check_agent
from runner.config.yaml.parser import load_document
from runner.core.errors import ConfigError

def told(text):
    try:
        return load_document("x", text=text).value
    except ConfigError as error:
        return [str(problem) for problem in error.problems]

asked = json.load(sys.stdin)
files = {
    file: [str(problem) for problem in check_agent(file, environ=asked["environ"]).diagnostics]
    for file in asked["files"]
}
json.dump({"files": files, "texts": [told(text) for text in asked["texts"]]}, sys.stdout)
"""
BROKEN = [
    "a: b: c", "- a\nb: 1", "- - a\n - b", "a: [1}", "a: {b: 1", "a: {b: 1]", "a: 'x\n...\n'", 'a: "\\q"', 'a: b\n"\\q',
    'a: "\\U00110000"', "a: *x", "a: &x 1\nb: &x 2", "? a\n:b", "a: | x", "a: |9x", "a: >+-\n x",
    "a: !x!y z", "a: & z", "a: * z", "a: ]", "[a] b", "a:\n\tb: 1", "a: @x", "a: {x: '\u2028'}\nb: : c", "a: \x01",
    "[" * 2_000, "- " * 2_000,
]  # fmt: skip


def test_errors_are_worded_the_same_without_libyaml():
    here = Path(__file__).parents[1] / "bad"
    files = [each.name for each in sorted(here.glob("*.yaml")) if each.stem != "utf16"]
    ran = subprocess.run(
        [sys.executable, "-c", NO_LIBYAML],
        input=json.dumps({"files": files, "texts": [*BROKEN, 'a: "\\ud800"'], "environ": {"HOME": "/home/somebody"}}),
        capture_output=True,
        text=True,
        cwd=here,
        check=True,
    )
    found = json.loads(ran.stdout)
    for file in files:
        assert found["files"][file] == (here / file).with_suffix(".problems").read_text("utf-8").splitlines()
    assert ": error: invalid Unicode escape" in found["texts"].pop()[0]
    for text, diagnostics in zip(BROKEN, found["texts"], strict=True):
        with pytest.raises(ConfigError) as caught:
            load_document("x", text=text)
        assert diagnostics == [str(diagnostic) for diagnostic in caught.value.problems], text


def test_files_that_cannot_be_read(tmp_path: Path):
    (tmp_path / "large.yaml").write_bytes(b"#" * (MAX_BYTES + 1))
    for path, why in [
        (tmp_path / "missing.yaml", "no such file"),
        (tmp_path, "is a directory"),
        (tmp_path / "large.yaml", "larger than 1,000,000 bytes"),
        (tmp_path / "a\0b", "no file can have this name"),
        (Path("/dev/zero"), "not a regular file"),
    ]:
        with pytest.raises(ConfigError, match=why) as caught:
            load_document(path)
        assert caught.value.problems[0].path == str(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path):
    (tmp_path / "a.yaml").write_text("a: 1\n")
    (tmp_path / "a.yaml").chmod(0)
    with pytest.raises(ConfigError, match="permission denied"):
        load_document(tmp_path / "a.yaml")


def test_every_mistake_of_a_file_is_told_at_once():
    with pytest.raises(ConfigError) as caught:
        load_document("x", text="a: 1\na: 2\n1: x\n<<: {}\nb: !t x\nc: .nan\n")
    assert [(each.line, each.column) for each in caught.value.problems] == [(2, 1), (3, 1), (4, 1), (5, 4), (6, 4)]
