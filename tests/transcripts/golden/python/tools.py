"""Tools of the case."""

from typing import Annotated

FACTOR = 1.609


def convert(miles: Annotated[float, "How many."], digits: int = 1) -> dict:
    """Convert miles to kilometres."""
    return {"km": round(miles * FACTOR, digits), "unit": "km"}


def store(text: str) -> str:
    """Store a text."""
    return "stored"
