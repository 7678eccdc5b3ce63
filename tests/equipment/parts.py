"""Real parts that tests need, and what it means when one is not there."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """A part of the dev group is not there: a choice on one's own machine, a broken environment in CI."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)
