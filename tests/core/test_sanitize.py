"""What is dropped, escaped and kept where a foreign text meets a terminal, a report or a model."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.sanitize import (
    escape_line,
    is_printable_ascii,
    mask_unprintable,
    replace_surrogates,
    sanitize,
    strip_invisible,
)

ANY_TEXT = st.text(st.characters(codec=None))
HIDDEN = {
    "NUL": "\x00",
    "backspace": "\b",
    "carriage return": "\r",
    "vertical tab": "\x0b",
    "escape": "\x1b",
    "DEL": "\x7f",
    "C1 CSI": "\x9b",
    "next line": "\x85",
    "soft hyphen": "\xad",
    "Arabic letter mark": "\u061c",
    "Mongolian vowel separator": "\u180e",
    "zero width space": "\u200b",
    "left-to-right mark": "\u200e",
    "right-to-left mark": "\u200f",
    "left-to-right embedding": "\u202a",
    "pop directional formatting": "\u202c",
    "right-to-left override": "\u202e",
    "word joiner": "\u2060",
    "invisible times": "\u2062",
    "isolate": "\u2066",
    "pop isolate": "\u2069",
    "digit shapes": "\u206f",
    "byte order mark": "\ufeff",
    "annotation anchor": "\ufff9",
    "noncharacter": "\uffff",
    "language tag": "\U000e0001",
    "tag letter": "\U000e0041",
    "cancel tag": "\U000e007f",
}
STRICT = {
    "joiner": "\u200d",
    "non-joiner": "\u200c",
    "variation selector": "\ufe0f",
    "second plane's selector": "\U000e0100",
    "grapheme joiner": "\u034f",
    "Hangul filler": "\u3164",
    "private use": "\ue000",
    "private plane": "\U000f0000",
}
TEXT = {
    "letters": "naïve Ελληνικά 漢字",
    "tab and newline": "a\tb\nc",
    "family": "👩\u200d👩\u200d👧",
    "red heart": "❤\ufe0f",
    "Persian": "می\u200cخواهم",
    "combining": "e\u0301",
    "no-break space": "a\xa0b",
    "line separator": "a\u2028b",
}


@pytest.mark.parametrize("char", HIDDEN.values(), ids=HIDDEN)
def test_hidden_characters_are_dropped_escaped_and_masked(char: str) -> None:
    assert sanitize(f"a{char}b") == strip_invisible(f"a{char}b") == "ab"
    assert escape_line(f"a{char}b") == f"a{char.encode('unicode_escape').decode()}b"
    assert mask_unprintable(f"a{char}b") == "a\ufffdb"
    assert not is_printable_ascii(f"a{char}b")


@pytest.mark.parametrize("char", STRICT.values(), ids=STRICT)
def test_what_text_is_made_of_is_dropped_for_a_model_alone(char: str) -> None:
    assert sanitize(f"é{char}b") == f"é{char}b"
    assert strip_invisible(f"é{char}b") == "éb"


@pytest.mark.parametrize("text", TEXT.values(), ids=TEXT)
def test_ordinary_text_stays(text: str) -> None:
    assert sanitize(text) == text


def test_an_escape_sequence_leaves_only_its_letters() -> None:
    assert sanitize("\x1b[31mred\x1b[0m \x1b]0;title\x07") == "[31mred[0m ]0;title"


@pytest.mark.parametrize("char", ["\n", "\t", "\r", "\u2028", "\u2029", "\x85"])
def test_one_line_holds_no_line_break(char: str) -> None:
    assert len(escape_line(f"a{char}b").splitlines()) == len(mask_unprintable(f"a{char}b").splitlines()) == 1


def test_a_lone_surrogate_is_replaced_and_a_pair_joined() -> None:
    assert replace_surrogates("\ud83d\ude00 \ud83d.") == "😀 \ufffd."
    assert sanitize("\ud83d\ude00 \ud83d.") == "😀 \ufffd."
    assert escape_line("\ud83d") == "\\ud83d"
    assert mask_unprintable("\ud83d") == "\ufffd"


@given(ANY_TEXT)
def test_text_without_surrogates_can_be_encoded_and_stays_what_it_was(text: str) -> None:
    found = replace_surrogates(text)
    found.encode()
    assert replace_surrogates(found) == found
    if not any("\ud800" <= char <= "\udfff" for char in text):
        assert found == text


@given(ANY_TEXT)
def test_all_of_them_are_idempotent_and_can_be_printed(text: str) -> None:
    for rule in (sanitize, strip_invisible, escape_line, mask_unprintable):
        found = rule(text)
        found.encode()
        assert rule(found) == found
    assert escape_line(text).isprintable()
    assert len(mask_unprintable(text)) == len(text)


def test_no_control_or_format_character_is_forgotten() -> None:
    """The list stands in the module as ranges; this holds it to Unicode's own table."""
    everywhere = map(chr, range(sys.maxunicode + 1))
    kept = {char for char in everywhere if unicodedata.category(char) in ("Cc", "Cf") and sanitize(char) == char}
    scripts = ("ARABIC", "SYRIAC", "KAITHI", "EGYPTIAN", "SHORTHAND", "MUSICAL")  # signs that these are written with
    assert {char for char in kept if not unicodedata.name(char, "").startswith(scripts)} == set("\n\t\u200c\u200d")
