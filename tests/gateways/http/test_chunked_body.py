"""The chunked transfer coding: the same body however its bytes are split."""

from __future__ import annotations

from http.client import HTTPException
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.gateways.http.chunked_body import ChunkedBody
from thoroughness import examples

FRAMED = b"5\r\nhello\r\n1;name=value\r\n \r\nA\r\n0123456789\r\n2\r\n\r\n\r\n0\r\nTrailer: x\r\n\r\n"
BODY = b"hello 0123456789\r\n"


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.integers(0, len(FRAMED)), max_size=10))
def test_any_split_gives_the_same_body(places: list[int]):
    chunks = ChunkedBody()
    edges = [0, *sorted(places), len(FRAMED)]
    assert b"".join(chunks.feed(FRAMED[start:end]) for start, end in pairwise(edges)) == BODY
    assert chunks.ended


def test_the_end_is_seen_at_the_last_byte_and_not_before():
    for place in range(len(FRAMED)):
        chunks = ChunkedBody()
        assert BODY.startswith(chunks.feed(FRAMED[:place]))
        assert not chunks.ended


def test_what_has_come_of_a_large_chunk_is_given_at_once():
    assert ChunkedBody().feed(b"FFFF\r\nabc") == b"abc"


@pytest.mark.parametrize("line", [b"hello\r\n", b"-5\r\n", b"0x5\r\n", b"1_0\r\n", b"f" * 16 + b"\r\n", b"5" * 70_000])
def test_what_is_no_chunk_is_refused(line: bytes):
    with pytest.raises(HTTPException):
        ChunkedBody().feed(line)
