"""Tools of the recordings beside this file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from runner import tool
from runner.tools import Context, ToolFailed


@tool(effects="none")
def add(a: Annotated[float, "The first."], b: float, digits: int = 2) -> dict[str, float]:
    """Add two numbers."""
    return {"sum": round(a + b, digits)}


@dataclass
class Shape:
    """A shape."""

    kind: Literal["circle", "square"]
    radius: float = 1.0


def describe(context: Context, shape: Shape, tags: list[str] | None = None) -> dict[str, object]:
    """Describe a shape.

    Args:
        shape: What it is.
        tags: Words for it.
    """
    return {"kind": shape.kind, "radius": shape.radius, "tags": tags, "day": context.clock().date()}


@tool(effects="none")
def fails() -> str:
    """Fail, always."""
    raise ToolFailed("nothing works today")


@tool(effects="read")
def long_text(lines: int) -> str:
    """Give many lines."""
    return "\n".join(f"line {number}: äöü" for number in range(lines))


@tool(effects="read")
def long_table(rows: int) -> list[dict[str, object]]:
    """Give many rows."""
    return [{"row": number, "name": f"name {number}", "even": number % 2 == 0} for number in range(rows)]


@tool(effects="read")
def odd_values(which: str) -> object:
    """Give a value that a file format may stumble over."""
    return {
        "numbers": {"zero": -0.0, "tiny": 1e-300, "huge": 10**30, "half": 0.5, "one": 1.0, "exp": 1e22},
        "words": {"list": ["yes", "no", "on", "off", "null", "~", "1", "0x1f", "1e3", "2024-01-01", "12:30", ""]},
        "matcher": {"$regex": "a.*"},
        "blob": {"$blob": "0.txt"},
        "literal": {"$literal": 1},
        "empty": {"map": {}, "list": [], "text": "", "none": None, "yes": True},
        "keys": {"a: b": 1, "- c": 2, "#d": 3, "é": 4, "true": 5, " e ": 6},
    }[which]


@tool(effects="read")
def secret_letter() -> dict[str, str]:
    """Give a letter that holds a secret of the environment."""
    import os

    token = os.environ["COMPAT_TOKEN"]
    return {"token": token, "url": f"https://x.test/?t={token}", "own": "ticket T-123456"}


@tool(effects="write")
def remember(text: str) -> str:
    """Remember a text."""
    return f"remembered: {text}"


@tool(effects="write")
def forget(text: str) -> str:
    """Forget a text."""
    return f"forgot: {text}"
