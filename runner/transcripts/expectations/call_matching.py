"""Matching of expected to actual tool calls: a maximum bipartite matching, and one that keeps the order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Matches = Callable[[int, int], bool]
"""Whether the expected call at one position matches the actual call at the other."""


def most_pairs(expected: int, actual: int, matches: Matches) -> dict[int, int]:
    """A maximum matching of so many expected and actual calls: the actual position for each paired expected one."""
    expected_of: dict[int, int] = {}
    actual_of: dict[int, int] = {}
    candidates = [[other for other in range(actual) if matches(position, other)] for position in range(expected)]

    def assign(position: int) -> None:
        """Pair an expected call, moving those that are paired already where that makes room; breadth first."""
        found_by: dict[int, int] = {}
        waiting = [position]
        for each in waiting:
            for other in candidates[each]:
                if other in found_by:
                    continue
                found_by[other] = each
                if other in expected_of:
                    waiting.append(expected_of[other])
                    continue
                free: int | None = other
                while free is not None:
                    mover = found_by[free]
                    expected_of[free] = mover
                    left = actual_of.get(mover)
                    actual_of[mover] = free
                    free = left if mover != position else None
                return

    for position in range(expected):
        assign(position)
    return actual_of


def count_in_order(
    expected: int, batches: Sequence[int], matches: Matches, with_previous: Callable[[int], bool]
) -> int:
    """How many expected calls, from the first on, are found among the actual ones in their order.

    `batches` gives the reply of each actual call; an expected one that goes with its predecessor must share its reply.
    """
    ends: set[int] = {-1}
    for position in range(expected):
        same_reply = position > 0 and with_previous(position)
        earliest = min(ends)
        ends = {
            other
            for other in range(len(batches))
            if other > earliest
            and (not same_reply or any(before < other and batches[before] == batches[other] for before in ends))
            and matches(position, other)
        }
        if not ends:
            return position
    return expected
