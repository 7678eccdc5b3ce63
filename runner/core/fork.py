"""What a forked process must not share with its parent, such as sockets: whoever holds it lets go in the child."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class HoldsProcessState(Protocol):
    """Holds what belongs to the process that made it."""

    def after_fork(self) -> None:
        """Let go of it, in the child, without a word to the other side. Must not raise."""


_holders: WeakSet[HoldsProcessState] = WeakSet()


def reset_after_fork(holder: HoldsProcessState) -> None:
    """Call `holder.after_fork()` in each process that is forked from this one while the holder lives."""
    _holders.add(holder)


def _reset_all() -> None:
    for holder in list(_holders):
        holder.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_reset_all)
