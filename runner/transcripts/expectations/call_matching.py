"""Matching of expected to actual tool calls: a maximum bipartite matching, and one that keeps the order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Matches = Callable[[int, int], bool]
"""Whether the expected call at one position matches the actual call at the other."""


def most_pairs(expected: int, actual: int, matches: Matches) -> dict[int, int]:
    """A maximum matching of so many expected and actual calls: the actual position for each paired expected one."""
    expected_of: dict[int, int] = {}
    candidates = [[other for other in range(actual) if matches(position, other)] for position in range(expected)]

    def assign(position: int, tried: set[int]) -> bool:
        """Pair an expected call, moving those that are paired already where that makes room."""
        for other in candidates[position]:
            if other not in tried:
                tried.add(other)
                if other not in expected_of or assign(expected_of[other], tried):
                    expected_of[other] = position
                    return True
        return False

    for position in range(expected):
        assign(position, set())
    return {position: other for other, position in expected_of.items()}


def count_in_order(
    expected: int, batches: Sequence[int], matches: Matches, with_previous: Callable[[int], bool]
) -> int:
    """How many expected calls, from the first on, are found among the actual ones in their order.

    `batches` gives the reply of each actual call; an expected one that goes with its predecessor must share its reply.
    """
    ends: set[int] = {-1}
    for position in range(expected):
        same_reply = position > 0 and with_previous(position)
        ends = {
            other
            for other in range(len(batches))
            if matches(position, other)
            and any(before < other and (not same_reply or batches[before] == batches[other]) for before in ends)
        }
        if not ends:
            return position
    return expected
