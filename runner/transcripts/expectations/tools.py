"""The expectation `tools`: which tools the model called, with which arguments, and what they returned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from runner.core.spelling import counted
from runner.transcripts.expectations import PASSED, ExpectationKind, Result
from runner.transcripts.expectations.call_matching import count_in_order, most_pairs
from runner.transcripts.expectations.matchers import differences, json_line, problem
from runner.transcripts.expectations.turn_result import ActualCall, TurnResult
from runner.transcripts.expectations.vacuity import never_matches

MODES = {
    "exact": "the same calls in the same order",
    "in_order": "these calls in this order, others between them",
    "any_order": "the same calls in any order",
    "subset": "no call that is not listed",
    "superset": "every call that is listed, and any others",
}
_MODIFIERS = frozenset({"args", "times", "returned", "with_previous", "failed"})


class ExpectedCall(NamedTuple):
    """One call of the list; `times` is None where the file does not say how many there must be."""

    name: str
    arguments: Any
    exact: bool = False
    times: int | None = None
    with_previous: bool = False
    returned: Any = None
    checks_returned: bool = False
    failed: bool | None = None

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> ExpectedCall:
        """From an item of the file's list."""
        name = tool_name(item)
        return cls(
            name,
            item[name],
            item.get("args") == "exact",
            item.get("times"),
            item.get("with_previous", False),
            item.get("returned"),
            "returned" in item,
            item.get("failed"),
        )

    def matches(self, call: ActualCall) -> bool:
        return call.name == self.name and next(self.mismatches(call), None) is None

    def mismatches(self, call: ActualCall) -> Iterator[str]:
        """What differs in an actual call of the same tool, one line a place."""
        if self.arguments or call.arguments is not None:
            arguments = call.raw if call.arguments is None else call.arguments
            yield from differences(self.arguments or {}, arguments, self.name, exact=self.exact)
        if self.checks_returned:
            yield from differences(self.returned, call.returned, f"{self.name} returned")
        if self.failed is not None and self.failed != call.failed:
            yield f"{self.name}: {'did not fail' if self.failed else 'failed'}"

    @property
    def is_impossible(self) -> bool:
        """No call has these arguments, or this result."""
        arguments_differ = never_matches(self.arguments or {}, frozenset({"object"}))
        return arguments_differ or (self.checks_returned and never_matches(self.returned))

    def __str__(self) -> str:
        return f"{self.name}({json_line(self.arguments or {})[1:-1]})"


def tool_name(item: Mapping[str, Any]) -> str:
    """The one key of a listed call that is no modifier; empty if there is not exactly one."""
    names = [key for key in item if key not in _MODIFIERS]
    return names[0] if len(names) == 1 else ""


def call_line(call: ActualCall) -> str:
    """A call on one line, as a failure prints it."""
    return f"{call.name}({call.raw if call.arguments is None else json_line(call.arguments)[1:-1]})"


def _mode_and_items(expected: Any) -> tuple[str, list[Any]]:
    return ("exact", expected) if isinstance(expected, list) else (expected.get("mode", "exact"), expected["calls"])


def _tools(expected: Any, turn: TurnResult, normalize: tuple[str, ...]) -> Result:
    mode, items = _mode_and_items(expected)
    calls = [ExpectedCall.of(item) for item in items]
    for call in calls:
        if call.times is not None and (count := sum(map(call.matches, turn.calls))) != call.times:
            return _failure(f"{call} was called {count} times, not {call.times}", calls, turn.calls)
    repeated = [call for call in calls for _ in range(1 if call.times is None else call.times)]
    why = _mismatch(mode, repeated, turn.calls)
    return _failure(why, repeated, turn.calls) if why else PASSED


def _mismatch(mode: str, expected: Sequence[ExpectedCall], actual: Sequence[ActualCall]) -> str:
    """Why the actual calls are not the expected ones under this mode; empty if they are."""

    def matches(position: int, actual_position: int) -> bool:
        return expected[position].matches(actual[actual_position])

    if mode == "exact" and len(expected) != len(actual):
        return f"wanted {counted(len(expected), 'call')}, got {len(actual)}"
    if mode in ("exact", "in_order"):
        batches = [call.batch for call in actual]
        count = count_in_order(len(expected), batches, matches, lambda position: expected[position].with_previous)
        return "" if count == len(expected) else f"{expected[count]} did not come where it was wanted"
    pairs = most_pairs(len(expected), len(actual), matches)
    missing = [call for position, call in enumerate(expected) if position not in pairs] if mode != "subset" else []
    extra = _unpaired(actual, pairs) if mode != "superset" else []
    return "; ".join(
        [*(f"{call} did not come" for call in missing), *(f"{call_line(call)} was not wanted" for call in extra)]
    )


def _failure(why: str, expected: Sequence[ExpectedCall], actual: Sequence[ActualCall]) -> Result:
    """The failure with both sides, and how each unmatched call differs from the nearest one left of the same tool."""
    lines = [*(f"-{call}" for call in expected), *(f"+{call_line(call)}" for call in actual)] or ["+(no call)"]
    pairs = most_pairs(len(expected), len(actual), lambda one, other: expected[one].matches(actual[other]))
    unpaired = _unpaired(actual, pairs)
    for position, call in enumerate(expected):
        if position not in pairs:
            candidates = [list(call.mismatches(other)) for other in unpaired if other.name == call.name]
            lines += [f"!{line}" for line in min(candidates, key=len, default=())]
    return Result("fail", why, "\n".join(dict.fromkeys(lines)))


def _unpaired(actual: Sequence[ActualCall], pairs: Mapping[int, int]) -> list[ActualCall]:
    paired = set(pairs.values())
    return [call for position, call in enumerate(actual) if position not in paired]


def _problem(expected: Any) -> str:
    mode, items = _mode_and_items(expected)
    for position, item in enumerate(items):
        if not tool_name(item):
            return f"call {position + 1} must name exactly one tool"
        if item.get("with_previous") and (not position or mode not in ("exact", "in_order")):
            return f"call {position + 1}: with_previous needs a call before it, and mode exact or in_order"
        for value in (item[tool_name(item)], item.get("returned")):
            if text := problem(value):
                return f"call {position + 1}: {text}"
    return ""


def _allows_every_call(expected: Any, normalize: tuple[str, ...]) -> bool:
    """No call is required, none is unexpected, and what must not be called cannot be."""
    mode, items = _mode_and_items(expected)
    calls = map(ExpectedCall.of, items)
    return mode in ("superset", "in_order") and all(call.times == 0 and call.is_impossible for call in calls)


def _requires_an_impossible_call(expected: Any, normalize: tuple[str, ...]) -> bool:
    mode, items = _mode_and_items(expected)
    calls = map(ExpectedCall.of, items)
    return any(call.is_impossible and (call.times or (call.times is None and mode != "subset")) for call in calls)


_CALL = {
    "type": "object",
    "minProperties": 1,
    "description": "`TOOL: {ARGUMENT: value or matcher}`, and what else must hold of the call.",
    "properties": {
        "args": {"enum": ["subset", "exact"], "default": "subset", "description": "exact: no further arguments."},
        "times": {"type": "integer", "minimum": 0, "description": "How many such calls there are in all."},
        "returned": {"description": "The result, or a matcher."},
        "with_previous": {"type": "boolean", "description": "In the same reply as the call before."},
        "failed": {"type": "boolean", "description": "Whether the call failed."},
    },
    "additionalProperties": {"type": ["object", "null"], "description": "A tool, and its arguments."},
}

KINDS: Mapping[str, ExpectationKind] = {
    "tools": ExpectationKind(
        {
            "description": "`[]` for none; a list for exactly these; or `{mode, calls}`.",
            "anyOf": [
                {"type": "array", "items": _CALL},
                {
                    "type": "object",
                    "required": ["calls"],
                    "additionalProperties": False,
                    "properties": {
                        "mode": {
                            "enum": list(MODES),
                            "default": "exact",
                            "description": "; ".join(f"{name}: {meaning}" for name, meaning in MODES.items()),
                        },
                        "calls": {"type": "array", "items": _CALL},
                    },
                },
            ],
        },
        _tools,
        _problem,
        _allows_every_call,
        _requires_an_impossible_call,
    )
}
