"""Which tools the model called, with what, and what they gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from runner.core.spelling import counted
from runner.transcripts.expectations import PASSED, Called, Facts, Judged, Kind
from runner.transcripts.expectations.call_matching import in_order, most_pairs
from runner.transcripts.expectations.matchers import differences, problem, show

MODES = {
    "exact": "the same calls in the same order",
    "in_order": "these calls in this order, others between them",
    "any_order": "the same calls in any order",
    "subset": "no call that is not listed",
    "superset": "every call that is listed, and any others",
}
_MODIFIERS = frozenset({"args", "times", "returned", "with_previous", "failed"})


class Wish(NamedTuple):
    """One wanted call."""

    name: str
    arguments: Any
    exact: bool = False
    times: int | None = None
    with_previous: bool = False
    returned: Any = None
    judges_result: bool = False
    failed: bool | None = None

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> Wish:
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

    def fits(self, call: Called) -> bool:
        return call.name == self.name and next(iter(self.wrong(call)), None) is None

    def wrong(self, call: Called) -> list[str]:
        """What about a call of the same tool is not as wished."""
        wrong: list[str] = []
        if self.arguments or call.arguments is not None:
            got = call.raw if call.arguments is None else call.arguments
            wrong += differences(self.arguments or {}, got, self.name, exact=self.exact)
        if self.judges_result:
            wrong += differences(self.returned, call.returned, f"{self.name} returned")
        if self.failed is not None and self.failed != call.failed:
            wrong.append(f"{self.name}: {'did not fail' if self.failed else 'failed'}")
        return wrong

    def __str__(self) -> str:
        return f"{self.name}({show(self.arguments or {})[1:-1]})"


def tool_name(item: Mapping[str, Any]) -> str:
    """The one key of a wanted call that is no modifier; empty if there is not exactly one."""
    names = [key for key in item if key not in _MODIFIERS]
    return names[0] if len(names) == 1 else ""


def _tools(wanted: Any, facts: Facts, normalize: tuple[str, ...]) -> Judged:
    mode, items = ("exact", wanted) if isinstance(wanted, list) else (wanted.get("mode", "exact"), wanted["calls"])
    wishes = [Wish.of(item) for item in items]
    for wish in wishes:
        count = sum(map(wish.fits, facts.calls))
        if wish.times is not None and count != wish.times:
            return _failed(f"{wish} was called {count} times, not {wish.times}", wishes, facts.calls)
    repeated = [wish for wish in wishes for _ in range(1 if wish.times is None else wish.times)]
    why = _misses(mode, repeated, facts.calls)
    return _failed(why, repeated, facts.calls) if why else PASSED


def _misses(mode: str, wishes: Sequence[Wish], calls: Sequence[Called]) -> str:
    """Why the calls are not the wished ones under this mode, empty if they are."""

    def fits(one: int, other: int) -> bool:
        return wishes[one].fits(calls[other])

    if mode == "exact" and len(wishes) != len(calls):
        return f"wanted {counted(len(wishes), 'call')}, got {len(calls)}"
    if mode in ("exact", "in_order"):
        batches = [call.batch for call in calls]
        found = in_order(len(wishes), batches, fits, lambda one: wishes[one].with_previous)
        return "" if found == len(wishes) else f"{wishes[found]} did not come where it was wanted"
    pairs = most_pairs(len(wishes), len(calls), fits)
    lost = [wish for one, wish in enumerate(wishes) if one not in pairs] if mode != "subset" else []
    extra = [call for other, call in enumerate(calls) if other not in pairs.values()] if mode != "superset" else []
    words = [f"{wish} did not come" for wish in lost] + [f"{shown(call)} was not wanted" for call in extra]
    return "; ".join(words)


def _failed(why: str, wishes: Sequence[Wish], calls: Sequence[Called]) -> Judged:
    """The failure with both sides, and what keeps each unmet wish from the nearest call that is left of its tool."""
    lines = [f"-{wish}" for wish in wishes] + [f"+{shown(call)}" for call in calls or ()] or ["+(no call)"]
    pairs = most_pairs(len(wishes), len(calls), lambda one, other: wishes[one].fits(calls[other]))
    free = [call for other, call in enumerate(calls) if other not in pairs.values()]
    for wish in (wish for one, wish in enumerate(wishes) if one not in pairs):
        rivals = [wish.wrong(call) for call in free if call.name == wish.name]
        lines += [f"!{line}" for line in min(rivals, key=len, default=())]
    return Judged("fail", why, "\n".join(dict.fromkeys(lines)))


def shown(call: Called) -> str:
    """A call on one line, as a failure prints it."""
    return f"{call.name}({call.raw if call.arguments is None else show(call.arguments)[1:-1]})"


def _problem(wanted: Any) -> str:
    mode, items = ("exact", wanted) if isinstance(wanted, list) else (wanted.get("mode", "exact"), wanted["calls"])
    for position, item in enumerate(items):
        if not tool_name(item):
            return f"call {position + 1} must name exactly one tool"
        if item.get("with_previous") and (not position or mode not in ("exact", "in_order")):
            return f"call {position + 1}: with_previous needs a call before it, and mode exact or in_order"
        for part in (item[tool_name(item)], item.get("returned")):
            if wrong := problem(part):
                return f"call {position + 1}: {wrong}"
    return ""


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

KINDS: Mapping[str, Kind] = {
    "tools": Kind(
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
    )
}
