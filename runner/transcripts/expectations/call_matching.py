"""Which actual call answers which wanted one: the best assignment there is, not the first that comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Fits = Callable[[int, int], bool]


def most_pairs(wanted: int, actual: int, fits: Fits) -> dict[int, int]:
    """As many pairs (wanted: actual) as can be made at once, each side used once."""
    taken: dict[int, int] = {}
    table = [[other for other in range(actual) if fits(one, other)] for one in range(wanted)]

    def place(one: int, tried: set[int]) -> bool:
        for other in table[one]:
            if other not in tried:
                tried.add(other)
                if other not in taken or place(taken[other], tried):
                    taken[other] = one
                    return True
        return False

    for one in range(wanted):
        place(one, set())
    return {one: other for other, one in taken.items()}


def in_order(wanted: int, batches: Sequence[int], fits: Fits, with_previous: Callable[[int], bool]) -> int:
    """How many of the wanted, from the first on, are found in their order among the actual.

    `batches` gives each actual call's batch; a wanted one that goes with its predecessor must share its batch.
    """
    reached: set[int] = {-1}
    for one in range(wanted):
        together = one > 0 and with_previous(one)
        reached = {
            other
            for other in range(len(batches))
            if fits(one, other)
            and any(before < other and (not together or batches[before] == batches[other]) for before in reached)
        }
        if not reached:
            return one
    return wanted
