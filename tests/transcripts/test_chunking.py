"""Chunk lengths come back, and however a text is cut nothing of it is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.transcripts.chunking import decode_lengths, encode_lengths, split_text, text_chunks

lengths = st.lists(st.integers(1, 40), max_size=30)
texts = st.text(max_size=200)


@given(lengths)
def test_lengths_come_back(wanted: list[int]) -> None:
    assert decode_lengths(encode_lengths(wanted), sum(wanted)) == tuple(wanted)


def test_lengths_are_run_length_coded() -> None:
    assert encode_lengths([1, 1, 1, 4, 2, 2]) == "1x3 4 2x2"


@pytest.mark.parametrize("coded", ["x", "1x", "0", "-1", "1 2y3", "1.5", "1_0", "+1", "１", "1x10000000"])
def test_what_is_no_row_of_lengths_is_refused(coded: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode_lengths(coded, 9)


def test_no_more_lengths_are_kept_than_the_text_needs() -> None:
    assert decode_lengths("1x9999999 " * 1000, 3) == (1, 1, 1)
    assert decode_lengths("2x9 5", 5) == (2, 2, 2)
    assert decode_lengths("4", 0) == ()


@given(texts, lengths, st.sampled_from(["recorded", "whole", "char", "fuzz:1", "fuzz:99"]))
def test_however_a_text_is_cut_nothing_is_lost_and_no_piece_is_empty(text: str, rows: list[int], mode: str) -> None:
    cuts = text_chunks(text, rows, mode)
    assert "".join(cuts) == text
    assert all(cuts)
    assert cuts == text_chunks(text, rows, mode)


def test_what_the_lengths_do_not_cover_is_the_last_piece() -> None:
    assert split_text("abcdef", [1, 2]) == ["a", "bc", "def"]
    assert split_text("ab", [1, 9, 9]) == ["a", "b"]
