"""Leaves a mark when it is imported."""

from pathlib import Path

Path(__file__).with_name("PWNED").touch()


def lookup(name: str) -> str:
    """Look it up."""
    return name
