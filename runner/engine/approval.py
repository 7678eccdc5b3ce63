"""Whether a tool call may run: the rules decide, and where they say `ask`, the person at the terminal does."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from runner.core.messages import ToolCall, ToolSpec

if TYPE_CHECKING:
    from runner.tools.permissions import Gate

Answer = Literal["yes", "no", "always"]
Approve = Callable[[ToolCall, str], str]


class Permits:
    """Callable as the engine's Permit: None lets a call run, a text says why not.

    `gate` is made when the first call wants to run. `approve(call, why)` answers yes, no or always (for that tool,
    while the session lasts); None means that nobody is there, and then what would be asked is refused.
    """

    def __init__(
        self, gate: Callable[[], Gate], spec: Callable[[str], ToolSpec | None], approve: Approve | None = None
    ) -> None:
        self._make_gate = gate
        self._spec = spec
        self._approve = approve
        self._always: set[str] = set()

    @cached_property
    def _gate(self) -> Gate:
        return self._make_gate()

    def __call__(self, call: ToolCall) -> str | None:
        spec = self._spec(call.name)
        if spec is None or call.arguments is None:
            return None  # the toolbox says better what is wrong with it
        verdict = self._gate.decide(call, spec)
        if verdict.decision == "deny":
            return verdict.reason
        if verdict.decision == "allow" or spec.name in self._always:
            return None
        if self._approve is None:
            return f"{spec.name} needs approval ({verdict.reason}), and nobody is there to give it"
        from runner.core.sanitize import escape_line  # lazy: most calls are not asked about

        answer = self._approve(call, f"{verdict.reason}: {escape_line(self._gate.stands_for(call, spec))}")
        if answer == "always":
            self._always.add(spec.name)
        return None if answer in {"yes", "always"} else "the user said no"
