"""Texts and lists cut to a size, with a mark where something was left out."""

from __future__ import annotations

from collections.abc import Sequence


def truncate(text: str, longest: int) -> str:
    """The text in at most `longest` characters, the last one `…` if it was longer."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def truncate_list(items: Sequence[str], most: int, note: str) -> list[str]:
    """The first `most` items; if there are more, `note` follows, with how many they are in place of its `{}`."""
    return list(items) if len(items) <= most else [*items[:most], note.format(len(items) - most)]
