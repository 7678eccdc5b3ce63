"""What a forked process must not share with its parent, such as sockets: whoever holds it lets go in the child."""

from __future__ import annotations

import os
from collections.abc import Callable
from weakref import WeakMethod

_resets: set[WeakMethod[Callable[[], None]]] = set()


def call_after_fork(reset: Callable[[], None]) -> None:
    """Call the bound method in each process that is forked from this one, while its object lives.

    It lets go of what belongs to the parent, without a word to the other side, and must not raise.
    """
    _resets.add(WeakMethod(reset, _resets.discard))


def _reset_all() -> None:
    for weak in list(_resets):
        if (reset := weak()) is not None:
            reset()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_reset_all)
