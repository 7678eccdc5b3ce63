"""Words of messages: the nearest known name for a misspelt one, and a number with its noun."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """The hint `did you mean 'x'?` for a misspelt name, or an empty text."""
    names = [known_name for known_name in known if isinstance(known_name, str)]
    close = close_names(name.lower(), names, 1)
    close = close or [known_name for known_name in names if len(name) > 2 and known_name.startswith(name.lower())]
    return f"did you mean {close[0]!r}?" if close else ""


def close_names(name: str, known: Iterable[str], most: int = 3, similarity: float = 0.6) -> list[str]:
    """The known names that are at least that similar to `name` (1.0 is the same), the closest first."""
    from difflib import get_close_matches  # lazy: only a mistake needs it

    return get_close_matches(name, list(known), most, similarity)


def counted(number: int, noun: str, plural: str = "") -> str:
    """The number with its noun, as in "1 tool" and "2 tools"; `plural` for nouns that take more than an s."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
