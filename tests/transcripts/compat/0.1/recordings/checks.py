"""A check in Python."""

from __future__ import annotations

from typing import Any


def two_words(facts: Any) -> str | None:
    """The answer has two words or more."""
    return None if len(facts.text.split()) > 1 else "too short"
