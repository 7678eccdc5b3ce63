"""The syntax tree of Python source text, which is read and never run."""

from __future__ import annotations

import ast
from threading import Lock

# The parser counts its depth for all threads together: two that parse at once fail with a SystemError.
_one_at_a_time = Lock()


def parse_python(source: str | bytes) -> ast.Module:
    """The tree. Raises SyntaxError, ValueError, and RecursionError or MemoryError for what is nested too deeply."""
    with _one_at_a_time:
        return ast.parse(source)
