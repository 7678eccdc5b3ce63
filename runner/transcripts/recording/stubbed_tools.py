"""Tools of a live run: what writes or executes gives its recorded result, unless it is allowed to run."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable

from runner.core.messages import ToolCall, ToolResult, ToolSpec
from runner.tools import Context, Tool, Toolbox
from runner.transcripts.conversation.scripted_user import may_ask
from runner.transcripts.expectations.matchers import json_equal
from runner.transcripts.model import RecordedCall, Recording

_STUBBED_EFFECTS = frozenset({"write", "exec"})


class StubbedTools:
    """The agent's tools, save that one which writes or executes and may not run gives results of older recordings.

    `may_run(name)` says whether such a tool may run. `unrecorded` tells of those that may not and for which no result
    is recorded.
    """

    def __init__(self, real: Toolbox, recordings: Iterable[Recording], may_run: Callable[[str], bool]) -> None:
        self._real = real
        self._may_run = may_run
        self._effects = {spec.name: spec.effects for spec in real.specs}
        self._recorded_calls: dict[str, deque[RecordedCall]] = defaultdict(deque)
        self.unrecorded: list[str] = []
        for recording in recordings:
            for replies in recording.turns.values():
                for call in (call for reply in replies for call in reply.calls if call.ran):
                    self._recorded_calls[call.name].append(call)

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        return self._real.specs

    def spec(self, name: str) -> ToolSpec | None:
        return self._real.spec(name)

    def find(self, name: str) -> Tool | None:
        return self._real.find(name)

    def is_stubbed(self, name: str) -> bool:
        """The tool writes or executes, and may not run."""
        return self._effects.get(name) in _STUBBED_EFFECTS and not self._may_run(name)

    def may_have_asked(self, name: str) -> bool:
        """A call of the tool gave an older result, before which it may have asked the user."""
        return self.is_stubbed(name) and may_ask(self._real.entry(name))

    def seconds(self, call: ToolCall) -> float | None:
        return None if self.is_stubbed(call.name) else self._real.seconds(call)

    def call(self, call: ToolCall, context: Context) -> ToolResult:
        if not self.is_stubbed(call.name):
            return self._real.call(call, context)
        recorded = self._next_recorded(call)
        if recorded is None:
            self.unrecorded.append(f"{call.name} is not approved, and its effects are {self._effects[call.name]}")
            return ToolResult(call.id, call.name, "not run: nobody approves it", failed=True)
        return ToolResult(call.id, call.name, recorded.returned, recorded.failed)

    def close(self) -> None:
        self._real.close()

    def _next_recorded(self, call: ToolCall) -> RecordedCall | None:
        """The recorded call with the same arguments, else the next one of that tool; each is given once."""
        candidates = self._recorded_calls.get(call.name)
        if not candidates:
            return None
        chosen = next(
            (recorded for recorded in candidates if json_equal(recorded.arguments, call.arguments)), candidates[0]
        )
        candidates.remove(chosen)
        return chosen
