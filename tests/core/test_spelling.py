"""Words of messages: the nearest known name, and a number with its noun."""

from __future__ import annotations

import pytest

from runner.core.spelling import close_names, counted, nearest


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("temprature", ["temperature", "top_p"], "did you mean 'temperature'?"),
        ("OLLAMA", ["ollama"], "did you mean 'ollama'?"),
        ("zzz", ["ollama"], ""),
        ("", [], ""),
    ],
)
def test_the_nearest_name(name: str, known: list[str], hint: str) -> None:
    assert nearest(name, known) == hint


@pytest.mark.parametrize(
    ("number", "nouns", "text"),
    [
        (0, ("tool",), "0 tools"),
        (1, ("tool",), "1 tool"),
        (2, ("tool",), "2 tools"),
        (1, ("entry", "entries"), "1 entry"),
        (3, ("entry", "entries"), "3 entries"),
    ],
)
def test_a_number_with_its_noun(number: int, nouns: tuple[str, ...], text: str) -> None:
    assert counted(number, *nouns) == text


def test_close_names_are_sorted_by_likeness():
    assert close_names("red_file", ["write", "read_files", "read_file"], 2) == ["read_file", "read_files"]
    assert close_names("x", ["abc"]) == []
