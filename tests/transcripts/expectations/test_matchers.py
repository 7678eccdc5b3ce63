"""Matchers, the pairing of calls, and JSON paths."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.transcripts.expectations.call_matching import count_in_order, most_pairs
from runner.transcripts.expectations.jsonpath import compile_path, values_at
from runner.transcripts.expectations.matchers import differences, matches, problem

HOLDS = [
    ("a", "a"),
    (1, 1.0),
    ({"a": 1}, {"a": 1, "b": 2}),
    ([1, {"a": 2}], [1, {"a": 2, "b": 3}]),
    ({"$regex": "(?i)next friday"}, "on Next Friday"),
    ({"$icontains": "MEET"}, "a meetup"),
    ({"$any": [1, {"$regex": "x"}]}, "axb"),
    ({"$all": [{"$regex": "a"}, {"$regex": "b"}]}, "ab"),
    ({"$oneof": ["a", "b"]}, "b"),
    ({"$range": [1, None]}, 7),
    ({"$range": [None, 7]}, 7),
    ({"$approx": 0.3}, 0.1 + 0.2),
    ({"$approx": {"value": 10, "within": 1}}, 10.9),
    ({"$date": "2026-03-13"}, "March 13, 2026"),
    ({"$date": "2026-03-13"}, "2026-03-13T10:00:00Z"),
    ({"$date": True}, "13 March 2026"),
    ({"a": {"$ignore": True}}, {}),
    ({"$eq": {"$regex": "x"}}, {"$regex": "x"}),
    ({"$len": 2}, [1, 2]),
    ({"$len": {"$range": [1, 3]}}, "ab"),
    ({"$not": "a"}, "b"),
]
FAILS = [
    ("a", "A"),
    (1, True),
    (0, False),
    ("1", 1),
    ({"a": 1}, {"b": 1}),
    ([1], [1, 2]),
    ({"$regex": "x"}, 5),
    ({"$oneof": [1]}, True),
    ({"$range": [1, 2]}, "1"),
    ({"$approx": 1}, "1"),
    ({"$date": "2026-03-13"}, "2026-03-14"),
    ({"$date": True}, "soon"),
    ({"$eq": {"a": 1}}, {"a": 1, "b": 2}),
    ({"$len": 2}, 2),
    ({"$not": {"$regex": "b"}}, "b"),
]


@pytest.mark.parametrize(("wanted", "actual"), HOLDS)
def test_matchers_hold(wanted: object, actual: object) -> None:
    assert matches(wanted, actual)
    assert problem(wanted) == ""


@pytest.mark.parametrize(("wanted", "actual"), FAILS)
def test_matchers_fail_with_a_reason(wanted: object, actual: object) -> None:
    assert list(differences(wanted, actual))


@pytest.mark.parametrize(
    "wanted",
    [
        {"$regex": "("},
        {"$regex": 5},
        {"$what": 1},
        {"$range": [1]},
        {"$range": ["a", "b"]},
        {"$approx": "x"},
        {"$date": "soon"},
        {"$any": []},
        {"$oneof": 5},
        {"$ignore": False},
        {"$icontains": 1},
        {"$eq": 1, "$not": 2},
        [{"a": {"$regex": "("}}],
    ],
)
def test_a_matcher_that_can_never_work_is_a_problem(wanted: object) -> None:
    assert problem(wanted)


@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), max_size=4))
def test_pairing_is_the_best_there_is(table: list[list[bool]]) -> None:
    pairs = most_pairs(len(table), 4, lambda one, other: table[one][other])
    assert len(set(pairs.values())) == len(pairs)
    assert all(table[one][other] for one, other in pairs.items())
    best = max(
        (sum(table[one][other] for one, other in enumerate(order[: len(table)])) for order in permutations(range(4))),
        default=0,
    )
    assert len(pairs) == best


def test_a_greedy_pairing_would_fail_here() -> None:
    fits = {(0, 0), (0, 1), (1, 0)}
    assert most_pairs(2, 2, lambda one, other: (one, other) in fits) == {0: 1, 1: 0}


def test_order_skips_what_stands_between_and_keeps_batches() -> None:
    names = ["a", "x", "b", "b"]

    def found(wanted: str, together: set[int]) -> int:
        return count_in_order(len(wanted), [0, 0, 1, 1], lambda i, j: wanted[i] == names[j], lambda i: i in together)

    assert found("ab", set()) == 2
    assert found("ab", {1}) == 1
    assert found("bb", {1}) == 2
    assert found("ba", set()) == 1


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", [{"a": [{"b": 1}, {"b": 2}], "c d": 3}]),
        ("$.a[0].b", [1]),
        ("$.a[-1].b", [2]),
        ("$.a[*].b", [1, 2]),
        ("$['c d']", [3]),
        ("$..b", [1, 2]),
        ("$.*", [[{"b": 1}, {"b": 2}], 3]),
        ("$.nothing[3]", []),
    ],
)
def test_json_paths(path: str, found: list[object]) -> None:
    assert values_at(path, {"a": [{"b": 1}, {"b": 2}], "c d": 3}) == found


@pytest.mark.parametrize("path", ["a", "$a", "$.a[", "$.", "$[x]"])
def test_what_is_no_json_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="JSON path"):
        compile_path(path)
