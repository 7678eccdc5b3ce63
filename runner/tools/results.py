"""What a tool returned, as the model can read it: plain JSON of bounded size."""

from __future__ import annotations

from typing import Any

from runner.tools.context import Outcome


def present(returned: Any, name: str, limit: int) -> Outcome:
    """The outcome to show."""
    return returned if isinstance(returned, Outcome) else Outcome(returned)
