"""Lines from bytes: the rules of server-sent events and of JSON lines, however the bytes are split."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.core.errors import ProtocolBroken
from runner.gateways.http.sse import LIMIT, JsonLinesParser, SseParser
from thoroughness import examples

SYNTAX = [b"data", b": ", b":", b" ", b"a", b"\n", b"\r", b"\r\n", b"\n\n", b"event: x", b"data: y", b"id: 1"]
WORDS = st.sampled_from([*SYNTAX, b"\xef\xbb\xbf", "\u2028".encode(), "\x85".encode(), "é".encode()])


def read(parser: SseParser | JsonLinesParser, pieces: Iterable[bytes]) -> list[object]:
    found: list[object] = [each for piece in pieces for each in parser.feed(piece)]
    return [*found, *parser.end()]


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@pytest.mark.parametrize("parser", [SseParser, JsonLinesParser])
@settings(max_examples=examples(150), deadline=None)
@given(words=st.lists(WORDS, max_size=30), places=st.lists(st.integers(0, 200), max_size=12))
def test_any_split_gives_the_same(
    parser: type[SseParser] | type[JsonLinesParser], words: list[bytes], places: list[int]
):
    data = b"".join(words)
    expected = read(parser(), [data])
    assert read(parser(), cut(data, places)) == expected
    assert read(parser(), [bytes([byte]) for byte in data]) == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"data: a\n\n", [("", b"a")]),
        (b"data:a\n\n", [("", b"a")]),
        (b"data:  a\n\n", [("", b" a")]),
        (b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", [("", b"a"), ("", b"b"), ("", b"c")]),
        (b"\xef\xbb\xbfdata: a\n\n", [("", b"a")]),
        (b": ping\n\ndata: a\n: ping\n\n", [("", b"a")]),
        (b"retry: 100\n\nid: 7\n\ndata: a\n\n", [("", b"a")]),
        (b"id: 7\n: ping\n\n", []),
        (b"data: {\ndata: }\n\n", [("", b"{\n}")]),
        (b"event: delta\ndata: a\n\n", [("delta", b"a")]),
        (b"data\n\ndata:\n\ndata: \n\n", []),
        (b"data: a\n\n\n\n\ndata: b\n\n", [("", b"a"), ("", b"b")]),
        (b"data: a", [("", b"a")]),
        ("data: a\u2028b\x85c\n\n".encode(), [("", "a\u2028b\x85c".encode())]),
        (b"data: a\x00b\xffc\n\n", [("", b"a\x00b\xffc")]),
    ],
)
def test_server_sent_events(sent: bytes, expected: list[tuple[str, bytes]]):
    assert read(SseParser(), [sent]) == expected


def test_json_lines_skip_blank_ones_and_give_the_last_without_its_end():
    assert read(JsonLinesParser(), [b'\xef\xbb\xbf{"a":1}\r\n\r\n  \n{"b":\xe2\x80\xa8}\n{"c":3}']) == [
        b'{"a":1}',
        b'{"b":\xe2\x80\xa8}',
        b'{"c":3}',
    ]


@pytest.mark.parametrize("parser", [SseParser, JsonLinesParser])
@pytest.mark.parametrize("ended", [b"", b"\n\n"])
def test_a_line_over_the_limit_is_refused(parser: type[SseParser] | type[JsonLinesParser], ended: bytes):
    lines = parser()
    found = list(lines.feed(b"data: a\n\n"))
    with pytest.raises(ProtocolBroken, match="8 MB"):
        for _ in range(LIMIT // 1_000_000 + 1):
            found += lines.feed(b"x" * 1_000_000)
        found += lines.feed(ended)
    assert len(found) == 1


def test_many_long_lines_are_no_long_line():
    lines = JsonLinesParser()
    assert sum(len(list(lines.feed((b"x" * 999_999 + b"\n") * 3))) for _ in range(4)) == 12
