"""How many examples a property is tried with: all of them where slow tests run too, fewer by default."""

from __future__ import annotations

import os

FULL = "AGENT_RUN_TESTS_FULL"
"""Set by conftest.py, for the processes that xdist starts as well."""


def examples(count: int) -> int:
    """`count` in a full run, a quarter of it otherwise."""
    return count if os.environ.get(FULL) else max(15, count // 4)
