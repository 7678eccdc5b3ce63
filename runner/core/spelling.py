"""Words of messages: the nearest known name for a misspelt one, and a number with its noun."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """The hint `did you mean 'x'?` for a misspelt name, or an empty text."""
    from difflib import get_close_matches  # lazy: only a mistake needs it

    names = [each for each in known if isinstance(each, str)]
    close = get_close_matches(name.lower(), names, 1, 0.6)
    close = close or [each for each in names if len(name) > 2 and each.startswith(name.lower())]
    return f"did you mean {close[0]!r}?" if close else ""


def counted(number: int, noun: str, plural: str = "") -> str:
    """The number with its noun, as in "1 tool" and "2 tools"; `plural` for nouns that take more than an s."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
