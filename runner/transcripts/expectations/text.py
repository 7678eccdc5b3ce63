"""What the turn's final text must be, hold or look like; compared with CRLF folded and trimmed, more by `normalize`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from runner.core.truncate import truncate_list
from runner.transcripts.expectations import PASSED, Facts, Judged, Kind
from runner.transcripts.expectations.matchers import pattern, show

_QUOTES = str.maketrans("\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb\u2013\u2014", '\'\'\'"""""--')
_MARKS = re.compile(r"(?m)^ {0,3}(?:#{1,6}|>|[-*+]|\d+\.) +|[*_`~]{1,3}(?=\S)|(?<=\S)[*_`~]{1,3}|^```.*$")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")

NORMALIZERS: Mapping[str, Callable[[str], str]] = {
    "quotes": lambda text: text.translate(_QUOTES),
    "ws": lambda text: " ".join(text.split()),
    "nfkc": lambda text: unicodedata.normalize("NFKC", text),
    "markdown": lambda text: _MARKS.sub("", _LINK.sub(r"\1", text)),
}


def normalized(text: str, names: Iterable[str]) -> str:
    """The text as it is compared."""
    text = text.replace("\r\n", "\n").strip()
    for name in names:
        text = NORMALIZERS[name](text)
    return text


def diff(wanted: str, got: str) -> str:
    """Two texts line by line, as in a patch."""
    from difflib import unified_diff  # lazy: only a failure is shown

    lines = list(unified_diff(wanted.splitlines(), got.splitlines(), lineterm="", n=2))[2:]
    return "\n".join(line for line in lines if not line.startswith("@@"))


def _text(wanted: str, facts: Facts, normalize: tuple[str, ...]) -> Judged:
    expected, got = normalized(wanted, normalize), normalized(facts.text, normalize)
    return PASSED if expected == got else Judged.unless("the text is another", diff(expected, got), got)


def _holds(fold: Callable[[str], str]) -> Callable[[Any, Facts, tuple[str, ...]], Judged]:
    def judge(wanted: str | Mapping[str, Sequence[str]], facts: Facts, normalize: tuple[str, ...]) -> Judged:
        got = fold(normalized(facts.text, normalize))

        def missing(pieces: Sequence[str]) -> list[str]:
            return [piece for piece in pieces if fold(normalized(piece, normalize)) not in got]

        groups: Mapping[str, Sequence[str]] = {"all": [wanted]} if isinstance(wanted, str) else wanted
        lost = missing(groups.get("all", ()))
        choices = groups.get("any", ())
        if choices and len(missing(choices)) == len(choices):
            lost.append(" | ".join(choices))
        return Judged.unless(f"the text lacks {', '.join(map(show, lost))}" if lost else "", _quoted(facts.text))

    return judge


def _regex(wanted: str, facts: Facts, normalize: tuple[str, ...]) -> Judged:
    found = pattern(wanted).search(normalized(facts.text, normalize))
    if found is None:
        return Judged("fail", f"the text does not match {wanted}", _quoted(facts.text))
    return Judged(captured={name: value for name, value in found.groupdict().items() if value is not None})


def _words(wanted: int | Mapping[str, int], facts: Facts, normalize: tuple[str, ...]) -> Judged:
    count = len(normalized(facts.text, normalize).split())
    bounds = {"max": wanted} if isinstance(wanted, int) else wanted
    if count > bounds.get("max", count):
        return Judged("fail", f"{count} words are more than {bounds['max']}")
    return Judged.unless(f"{count} words are fewer than {bounds['min']}" if count < bounds.get("min", 0) else "")


def _quoted(text: str) -> str:
    """The text that was judged, as a diff's only side."""
    lines = text.strip().splitlines() or ["(nothing)"]
    return "\n".join(f"+{line}" for line in truncate_list(lines, 12, "… {} more lines"))


def _regex_problem(wanted: Any) -> str:
    try:
        pattern(wanted)
    except re.error as error:
        return f"not a regular expression: {error}"
    return ""


_PIECES = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": False,
            "properties": {
                "all": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
                "any": {"type": "array", "minItems": 1, "items": {"type": "string", "minLength": 1}},
            },
        },
    ]
}

KINDS: Mapping[str, Kind] = {
    "text": Kind({"type": "string", "description": "The final text, whole."}, _text),
    "contains": Kind(
        {"description": "A piece of the final text, or `{all: […]}`, `{any: […]}`.", **_PIECES}, _holds(str)
    ),
    "icontains": Kind({"description": "The same, upper and lower case alike.", **_PIECES}, _holds(str.casefold)),
    "regex": Kind(
        {
            "type": "string",
            "minLength": 1,
            "description": "A Python regular expression; its named groups become variables of later turns.",
        },
        _regex,
        _regex_problem,
    ),
    "words": Kind(
        {
            "description": "How many words the final text may have: the most, or `{min, max}`.",
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {
                    "type": "object",
                    "minProperties": 1,
                    "additionalProperties": False,
                    "properties": {
                        "min": {"type": "integer", "minimum": 0},
                        "max": {"type": "integer", "minimum": 0},
                    },
                },
            ],
        },
        _words,
    ),
}
