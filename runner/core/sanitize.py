"""Control, bidirectional and invisible characters and lone surrogates: dropped, escaped or replaced, for every room."""

from __future__ import annotations

import re

# What a terminal obeys, what reorders a line, and what no reader sees: C0 but tab and newline, DEL and C1, soft hyphen,
# marks and overrides of direction, zero-width characters, invisible operators, annotations, tags, noncharacters.
# Not in it: the joiners U+200C and U+200D and the variation selectors, of which emoji and several scripts are made.
_HIDDEN = (
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff0-\ufffb"
    "\ufdd0-\ufdef\ufffe\uffff\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]"
)
_ESCAPED = f"{_HIDDEN[:-1]}\u2028\u2029\ud800-\udfff]"
# What some fonts leave blank though no category says so: joiners and fillers, variation selectors.
_BLANK = "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200c\u200d\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"


def sanitize(text: str) -> str:
    """The text without what a terminal would obey or a reader would not see; tabs and newlines stay."""
    return text if is_printable_ascii(text) else re.sub(_HIDDEN, "", replace_surrogates(text))


def strip_invisible(text: str) -> str:
    """`sanitize` for the names and descriptions by which a foreign server speaks to a model.

    Joiners, variation selectors, private and unassigned characters go too: a text can be hidden in them.
    """
    text = sanitize(text)
    if text.isascii():
        return text
    from unicodedata import category  # lazy: a foreign server's text that is not ASCII alone

    return "".join(char for char in re.sub(_BLANK, "", text) if char in "\n\t" or category(char)[0] != "C")


def escape_line(text: str) -> str:
    r"""The text as one line: each control, line break and invisible character by its escape, as `\x1b` or `\u202e`."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def escape_hidden(text: str) -> str:
    r"""The text with what `sanitize` drops, and separators of lines that are no newline, by their escapes."""
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return re.sub(_ESCAPED, lambda match: match[0].encode("unicode_escape").decode(), text)


def escape_json(text: str) -> str:
    r"""JSON text with what `sanitize` drops as `\uXXXX`, which means the same: no reader of it obeys or hides anything.

    What GitHub takes for a command wherever it stands in a line is broken up so, too.
    """
    text = text.replace("##[", "#\\u0023[")
    return text if text.isascii() else re.sub(_ESCAPED, _json_escape, text)


def _json_escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))


def mask_unprintable(text: str) -> str:
    """The text as one line of the same length: U+FFFD for each character that `escape_line` would escape."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def is_printable_ascii(text: str) -> bool:
    """Whether the text is one line of printable ASCII, which is all that a header can carry."""
    return text.isascii() and text.isprintable()


def replace_surrogates(text: str) -> str:
    """The text without lone surrogates, which no encoding can carry: pairs are joined, halves become U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
