"""Tools of a live run: what writes or executes gives what it gave before, unless somebody lets it act."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable

from runner.core.messages import ToolCall, ToolResult, ToolSpec
from runner.tools import Context, Tool, Toolbox
from runner.transcripts.expectations.matchers import same
from runner.transcripts.model import RecordedCall, Recording

_ACTING = frozenset({"write", "exec"})


class StubbedTools:
    """The real tools, save that an acting one which may not run plays its part from older recordings.

    `lets(name)` says whether a tool may act; `missed` takes the names of those that may not and have no part.
    """

    def __init__(self, real: Toolbox, recordings: Iterable[Recording], lets: Callable[[str], bool]) -> None:
        self._real = real
        self._lets = lets
        self._effects = {spec.name: spec.effects for spec in real.specs}
        self._parts: dict[str, deque[RecordedCall]] = defaultdict(deque)
        self.missed: list[str] = []
        for recording in recordings:
            for replies in recording.turns.values():
                for call in (call for reply in replies for call in reply.calls if call.ran):
                    self._parts[call.name].append(call)

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        return self._real.specs

    def spec(self, name: str) -> ToolSpec | None:
        return self._real.spec(name)

    def find(self, name: str) -> Tool | None:
        return self._real.find(name)

    def plays(self, name: str) -> bool:
        """The tool acts, and may not."""
        return self._effects.get(name) in _ACTING and not self._lets(name)

    def seconds(self, call: ToolCall) -> float | None:
        return None if self.plays(call.name) else self._real.seconds(call)

    def call(self, call: ToolCall, context: Context) -> ToolResult:
        if not self.plays(call.name):
            return self._real.call(call, context)
        part = self._part(call)
        if part is None:
            self.missed.append(call.name)
            return ToolResult(call.id, call.name, "not run: nobody approves it", failed=True)
        return ToolResult(call.id, call.name, part.returned, part.failed)

    def close(self) -> None:
        self._real.close()

    def _part(self, call: ToolCall) -> RecordedCall | None:
        """The recorded call with the same arguments, else the next one of that tool."""
        parts = self._parts.get(call.name)
        if not parts:
            return None
        part = next((each for each in parts if same(each.arguments, call.arguments)), parts[0])
        parts.remove(part)
        return part
