"""Cut to a size: never longer than asked for, and marked where something is left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.truncate import truncate, truncate_list


@pytest.mark.parametrize(
    ("text", "longest", "shown"),
    [("", 1, ""), ("abc", 3, "abc"), ("abcd", 3, "ab…"), ("ab", 1, "…"), ("é😀x", 2, "é…")],
)
def test_a_text(text: str, longest: int, shown: str) -> None:
    assert truncate(text, longest) == shown


@given(st.text(), st.integers(1, 30))
def test_a_text_keeps_to_its_size(text: str, longest: int) -> None:
    shown = truncate(text, longest)
    assert len(shown) <= longest
    assert shown == text or (text.startswith(shown[:-1]) and shown.endswith("…"))


@pytest.mark.parametrize(
    ("items", "shown"),
    [([], []), (["a", "b"], ["a", "b"]), (["a", "b", "c", "d"], ["a", "b", "… and 2 more"])],
)
def test_a_list(items: list[str], shown: list[str]) -> None:
    assert truncate_list(items, 2, "… and {} more") == shown
