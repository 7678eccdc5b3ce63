"""Pieces of tool calls find each other however a server numbers, names and splits them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.chunks import Assembly, CallChunk, DoneChunk, TextChunk, ThinkingChunk, parse_arguments
from runner.core.messages import Message, Usage
from thoroughness import examples


def assembled(*chunks: CallChunk | TextChunk | ThinkingChunk | DoneChunk, finish: str = "") -> Message:
    assembly = Assembly()
    for chunk in chunks:
        assembly.add(chunk)
    return assembly.message(finish)


def calls(*chunks: CallChunk) -> list[tuple[str, object]]:
    return [(call.name, call.arguments) for call in assembled(*chunks, DoneChunk()).calls]


@dataclass(frozen=True)
class Wish:
    """A call as it was meant, and how its arguments were split."""

    name: str
    arguments: dict[str, int]
    cuts: tuple[int, ...]

    def fragments(self) -> list[str]:
        text = json.dumps(self.arguments)
        places = sorted({min(cut, len(text)) for cut in self.cuts} | {0, len(text)})
        return [text[start:end] for start, end in pairwise(places)]


wishes = st.lists(
    st.builds(
        Wish,
        st.sampled_from(["look", "save", "time"]),
        st.dictionaries(st.sampled_from("abc"), st.integers(), max_size=2),
        st.lists(st.integers(0, 20), max_size=4).map(tuple),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=examples(300), deadline=None)
@given(
    wishes=wishes,
    indexes=st.sampled_from(["right", "missing", "zero", "drifting"]),
    ids=st.sampled_from(["always", "once", "never"]),
    names=st.sampled_from(["once", "always"]),
)
def test_calls_one_after_the_other_are_told_apart_by_what_a_server_gives(wishes, indexes, ids, names):
    chunks, drift = [], 0
    for number, wish in enumerate(wishes):
        for position, fragment in enumerate(wish.fragments()):
            drift += 1
            chunks.append(
                CallChunk(
                    {"right": number, "missing": None, "zero": 0, "drifting": drift}[indexes],
                    f"id{number}" if ids == "always" or (ids == "once" and position == 0) else "",
                    wish.name if names == "always" or position == 0 else "",
                    fragment,
                )
            )
    if indexes == "drifting" and ids != "always":
        return  # nothing in such a stream tells where a piece belongs
    assert calls(*chunks) == [(wish.name, wish.arguments) for wish in wishes]


@settings(max_examples=examples(200), deadline=None)
@given(wishes=wishes, data=st.data(), key=st.sampled_from(["index", "id", "both"]))
def test_interleaved_calls_are_told_apart_by_index_or_id(wishes, data, key):
    pieces = [
        CallChunk(
            number if key != "id" else None,
            f"id{number}" if key != "index" else "",
            wish.name if position == 0 else "",
            fragment,
        )
        for number, wish in enumerate(wishes)
        for position, fragment in enumerate(wish.fragments())
    ]
    order = data.draw(st.permutations(range(len(pieces))))
    queues = {
        number: [p for p in pieces if number in (p.index, int(p.id[2:] or 0) if p.id else -1)]
        for number in range(len(wishes))
    }
    mixed = []
    for place in order:
        piece = pieces[place]
        number = piece.index if piece.index is not None else int(piece.id[2:])
        mixed.append(queues[number].pop(0))
    found = {(name, json.dumps(arguments)) for name, arguments in calls(*mixed)}
    assert found == {(wish.name, json.dumps(wish.arguments)) for wish in wishes}


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([CallChunk(0, "x", "f", '{"a":1}'), CallChunk(1, "x", "g", "{}")], [("f", {"a": 1}), ("g", {})]),
        ([CallChunk(0, "x", "f", '{"a":1}'), CallChunk(1, "x", "f", '{"a":2}')], [("f", {"a": 1}), ("f", {"a": 2})]),
        ([CallChunk(0, "", "f", {"a": 1}), CallChunk(0, "", "f", {"a": 2})], [("f", {"a": 1}), ("f", {"a": 2})]),
        ([CallChunk(0, "", "f", {"a": 1}), CallChunk(0, arguments="")], [("f", {"a": 1})]),
        ([CallChunk(0, "", "f", ""), CallChunk(0, "", "g", "")], [("f", {}), ("g", {})]),
        ([CallChunk(0, "", "f"), CallChunk(0, "late", "", "{}")], [("f", {})]),
        ([CallChunk(None, "", "f", '{"a"'), CallChunk(None, "", "f", ":1}")], [("f", {"a": 1})]),
        (
            [CallChunk(0, "x", "f", '{"a"'), CallChunk(1, "y", "g", '{"b"'), CallChunk(0, "", "", ":1"),
             CallChunk(None, "", "", "}"), CallChunk(1, "", "", ":2}")],
            [("f", {"a": 1}), ("g", {"b": 2})],
        ),
        ([CallChunk(0, "x", "f"), CallChunk(0, "x", "f", "{}"), CallChunk(0, "x", "f")], [("f", {})]),
        ([CallChunk(0, "x", "f", '{"a"'), CallChunk(0, "x", "", ":1}"), CallChunk(0, "x", "f", '{"a":1}')],
         [("f", {"a": 1})]),
        ([CallChunk(0, "", "f", '{"a":1}'), CallChunk(0, "", "f", "\n")], [("f", {"a": 1})]),
        ([CallChunk(0, "x", "f", '{"a":'), CallChunk(0, "x", "", '{"a":'), CallChunk(0, "", "", "1}}")],
         [("f", {"a": {"a": 1}})]),
    ],
)  # fmt: skip
def test_odd_streams(chunks, expected):
    assert calls(*chunks) == expected


def test_every_call_has_an_id_of_its_own():
    reply = assembled(CallChunk(0, "x", "f", "{}"), CallChunk(1, "x", "g", "{}"), CallChunk(2, "", "h"))
    ids = [call.id for call in reply.calls]
    assert ids[0] == "x" and len(set(ids)) == 3 and all(ids)


def test_a_reply_without_terminator_is_incomplete_and_calls_make_a_tool_turn():
    assert not assembled(TextChunk("half")).complete
    assert assembled(CallChunk(0, "x", "f"), DoneChunk("stop")).finish == "tool_calls"
    assert assembled(CallChunk(0, "x", "f"), DoneChunk("length")).finish == "length"
    whole = assembled(ThinkingChunk("hm"), TextChunk("a"), TextChunk("b"), DoneChunk("stop", usage=Usage(1, 1)))
    assert (whole.text, whole.thinking, whole.finish) == ("ab", "hm", "stop")


@pytest.mark.parametrize(
    "raw",
    ['{"a": NaN}', '{"a": 1e999}', '{"a": -1e999}', '{"a": ' + "9" * 5000 + "}", '{"a": 1, "a": 2}', "[1]", '"x"', "7",
     '{"a": ' + "[" * 200 + "]" * 200 + "}", "[" * 100_000, '{"path": "/a', "\ufeff{}", '{"a": 1} {}'],
)  # fmt: skip
def test_arguments_that_no_tool_may_see(raw):
    arguments, problem = parse_arguments(raw)
    assert arguments is None and problem.startswith("arguments")


@pytest.mark.parametrize("raw", ["", "  ", "null", "{}"])
def test_nothing_means_no_arguments(raw):
    assert parse_arguments(raw) == ({}, "")


def test_half_characters_become_whole_or_the_replacement_sign():
    assert parse_arguments('{"a": ["\\ud83d\\ude00", "\\ud83d"], "\\udc00": 1}')[0] == {
        "a": ["😀", "\ufffd"],
        "\ufffd": 1,
    }
    reply = assembled(CallChunk(0, "\ud800", "f", '{"a": "\ud83d'), CallChunk(0, "", "", '\ude00"}'))
    json.dumps([call.to_dict() for call in reply.calls], ensure_ascii=False).encode()
    assert reply.calls[0].arguments == {"a": "😀"}
    (whole,) = assembled(CallChunk(0, "", "f", {"a": "\udfff"})).calls
    assert whole.arguments == {"a": "\ufffd"} and whole.raw.encode()


@settings(max_examples=examples(200), deadline=None)
@given(st.text(st.sampled_from('{}[]":,\\ud80019eE.-+NaInfity \n')))
def test_whatever_a_model_writes_gives_an_object_or_a_reason(raw):
    arguments, problem = parse_arguments(raw)
    assert (arguments is None) == bool(problem)
    if arguments is not None:
        assert parse_arguments(json.dumps(arguments, ensure_ascii=False, allow_nan=False)) == (arguments, "")
