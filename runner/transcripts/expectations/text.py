"""The expectations on the final text: `text`, `contains`, `icontains`, `regex` and `words`.

Both sides are compared with CRLF folded and stripped; `normalize` folds more.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from runner.core.bounded_regex import search
from runner.core.truncate import truncate_list
from runner.transcripts.expectations import PASSED, Evaluate, ExpectationKind, Result, Test
from runner.transcripts.expectations.matchers import json_line, pattern_problem
from runner.transcripts.expectations.turn_result import TurnResult
from runner.transcripts.expectations.vacuity import matches_every_text

_MAX_COMPARED = 1000
_MOST_WORDS = 1_000_000
_QUOTES = str.maketrans("\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb\u2013\u2014", '\'\'\'"""""--')
_MARKS = r"(?m)^ {0,3}(?:#{1,6}|>|[-*+]|\d+\.) +|[*_`~]{1,3}(?=\S)|(?<=\S)[*_`~]{1,3}|^```.*$"
_LINK = r"!?\[([^\[\]]*)\]\([^)\[]*\)"  # stops at the next bracket, so that its time grows with the text alone

NORMALIZERS: Mapping[str, Callable[[str], str]] = {
    "quotes": lambda text: text.translate(_QUOTES),
    "ws": lambda text: " ".join(text.split()),
    "nfkc": lambda text: unicodedata.normalize("NFKC", text),
    "markdown": lambda text: re.sub(_MARKS, "", re.sub(_LINK, r"\1", text)),
}


def normalized(text: str, names: Iterable[str]) -> str:
    """The text as it is compared."""
    text = text.replace("\r\n", "\n").strip()
    for name in names:
        text = NORMALIZERS[name](text)
    return text


def text_diff(expected: str, actual: str) -> str:
    """Two texts line by line, as in a patch."""
    from difflib import unified_diff  # lazy: only a failure is shown

    old, new = expected.splitlines(), actual.splitlines()
    same = next(
        (at for at, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), min(len(old), len(new))
    )
    begin = max(0, same - _MAX_COMPARED // 2)  # what is compared is bounded: its time grows with the square
    lines = list(
        unified_diff(old[begin : begin + _MAX_COMPARED], new[begin : begin + _MAX_COMPARED], lineterm="", n=2)
    )[2:]
    return "\n".join(line for line in lines if not line.startswith("@@"))


def _text(expected: str, turn: TurnResult, normalize: tuple[str, ...]) -> Result:
    expected, actual = normalized(expected, normalize), normalized(turn.text, normalize)
    return PASSED if expected == actual else Result.unless("the text is another", text_diff(expected, actual), actual)


def _contains(fold: Callable[[str], str]) -> Callable[[Any, TurnResult, tuple[str, ...]], Result]:
    def evaluate(expected: str | Mapping[str, Sequence[str]], turn: TurnResult, normalize: tuple[str, ...]) -> Result:
        text = fold(normalized(turn.text, normalize))

        def missing(pieces: Sequence[str]) -> list[str]:
            return [piece for piece in pieces if fold(normalized(piece, normalize)) not in text]

        groups: Mapping[str, Sequence[str]] = {"all": [expected]} if isinstance(expected, str) else expected
        absent = missing(groups.get("all", ()))
        choices = groups.get("any", ())
        if choices and len(missing(choices)) == len(choices):
            absent.append(" | ".join(choices))
        return Result.unless(
            f"the text lacks {', '.join(map(json_line, absent))}" if absent else "", _quoted(turn.text)
        )

    return evaluate


def _regex(expected: str, turn: TurnResult, normalize: tuple[str, ...]) -> Result:
    match = search(expected, normalized(turn.text, normalize))
    if match is None:
        return Result("fail", f"the text does not match {expected}", _quoted(turn.text))
    return Result(captured={name: value for name, value in match.groupdict().items() if value is not None})


def _words(expected: int | Mapping[str, int], turn: TurnResult, normalize: tuple[str, ...]) -> Result:
    count = len(normalized(turn.text, normalize).split())
    bounds = expected if isinstance(expected, Mapping) else {"max": expected}
    if count > bounds.get("max", count):
        return Result("fail", f"{count} words are more than {bounds['max']}")
    return Result.unless(f"{count} words are fewer than {bounds['min']}" if count < bounds.get("min", 0) else "")


def _quoted(text: str) -> str:
    """The actual text, as the only side of a diff."""
    lines = text.strip().splitlines() or ["(nothing)"]
    return "\n".join(f"+{line}" for line in truncate_list(lines, 12, "… {} more lines"))


def _is_in_the_empty_text(evaluate: Evaluate) -> Test:
    """A piece that the empty text has is in every text."""
    return lambda expected, normalize: evaluate(expected, TurnResult(), normalize).state == "pass"


def _is_any_number_of_words(expected: int | Mapping[str, int], normalize: tuple[str, ...]) -> bool:
    bounds = expected if isinstance(expected, Mapping) else {"max": expected}
    return not bounds.get("min") and bounds.get("max", _MOST_WORDS) >= _MOST_WORDS


def _words_problem(expected: int | Mapping[str, int]) -> str:
    bounds = expected if isinstance(expected, Mapping) else {"max": expected}
    return "min is more than max" if bounds.get("min", 0) > bounds.get("max", float("inf")) else ""


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

_CONTAINS, _ICONTAINS = _contains(str), _contains(str.casefold)

KINDS: Mapping[str, ExpectationKind] = {
    "text": ExpectationKind({"type": "string", "description": "The final text, whole."}, _text),
    "contains": ExpectationKind(
        {"description": "A piece of the final text, or `{all: […]}`, `{any: […]}`.", **_PIECES},
        _CONTAINS,
        always_holds=_is_in_the_empty_text(_CONTAINS),
    ),
    "icontains": ExpectationKind(
        {"description": "The same, upper and lower case alike.", **_PIECES},
        _ICONTAINS,
        always_holds=_is_in_the_empty_text(_ICONTAINS),
    ),
    "regex": ExpectationKind(
        {
            "type": "string",
            "minLength": 1,
            "description": "A Python regular expression; its named groups become variables of later turns.",
        },
        _regex,
        pattern_problem,
        always_holds=lambda expected, normalize: matches_every_text(expected),
    ),
    "words": ExpectationKind(
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
        _words_problem,
        always_holds=_is_any_number_of_words,
    ),
}
