"""The tool of `converter.yaml`: a plain function. Its schema comes from the hints and the docstring."""

from typing import Literal

from runner import tool
from runner.tools import ToolFailed

METRES = {"m": 1.0, "km": 1000.0, "ft": 0.3048, "mi": 1609.344}


@tool(effects="none")
def convert(amount: float, unit: Literal["m", "km", "ft", "mi"], to: Literal["m", "km", "ft", "mi"]) -> float:
    """Convert a length.

    Args:
        amount: The length, not negative.
        unit: The unit of `amount`.
        to: The unit that is wanted.
    """
    if amount < 0:
        raise ToolFailed("a length is not negative")
    return round(amount * METRES[unit] / METRES[to], 3)
