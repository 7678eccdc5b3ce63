"""The agent's tools in a replay: run, or answered from the recording, and to the engine a toolbox like any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runner.core.messages import ToolCall, ToolResult, ToolSpec
from runner.tools import Context, Tool, Toolbox
from runner.transcripts.expectations.matchers import differences
from runner.transcripts.model import RecordedCall, ToolMode
from runner.transcripts.redaction import Redactor
from runner.transcripts.replaying.recorded_gateway import RecordedGateway

_ASKS = "ask_user"
RUNNING = frozenset({"verify", "execute"})
"""The modes in which a tool is run."""


def mode_of(spec: ToolSpec, modes: Mapping[str, ToolMode]) -> ToolMode:
    """What a call of the tool does in a replay: as the transcript says, or verify for one without effects.

    What asks the user is answered by the script, whose words count as the user's own.
    """
    if spec.name in modes:
        return modes[spec.name]
    if spec.name == _ASKS:
        return "execute"
    return "verify" if spec.effects == "none" else "stub"


class RecordedTools:
    """The agent's tools in a replay: each runs, or gives its recorded result, as its mode says.

    `modes` gives a mode by tool where the default is not meant. `server_tools` are the specs of tools that only a
    running server could tell.
    """

    def __init__(
        self,
        real: Toolbox,
        gateway: RecordedGateway,
        modes: Mapping[str, ToolMode],
        redactor: Redactor,
        server_tools: Sequence[ToolSpec] = (),
        order: Sequence[str] = (),
    ) -> None:
        self._real = real
        self._gateway = gateway
        self._modes = modes
        self._redactor = redactor
        self._specs = _merged(real.specs, server_tools, order)
        self._known = {spec.name: spec for spec in real.specs}

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        return self._specs

    def spec(self, name: str) -> ToolSpec | None:
        return next((spec for spec in self._specs if spec.name == name), None)

    def find(self, name: str) -> Tool | None:
        """The real tool of that name, for the rules that speak of its kind."""
        return self._real.find(name)

    def mode(self, name: str) -> ToolMode:
        """What a call of the tool does here."""
        spec = self._known.get(name)
        return mode_of(spec, self._modes) if spec is not None else self._modes.get(name, "stub")

    def lets(self, call: ToolCall) -> bool:
        """A call that runs nothing may go on as it was recorded; one that would run for real needs a word."""
        if self.mode(call.name) != "execute":
            return self._gateway.by_hand or self._gateway.ran(call)
        self.trouble("unanswered", f"nobody approves {call.name}: list it under answers.approve")
        return False

    def trouble(self, kind: str, what: str, diff: str = "") -> None:
        """Note what the user has to be told."""
        self._gateway.trouble(kind, what, diff)

    def seconds(self, call: ToolCall) -> float | None:
        return self._real.seconds(call) if self.mode(call.name) in RUNNING else None

    def call(self, call: ToolCall, context: Context) -> ToolResult:
        recorded = self._gateway.recorded(call)
        mode = self.mode(call.name)
        if mode == "forbid":
            self._gateway.trouble("forbidden", f"{call.name} was called, and its mode is forbid")
        if mode == "execute":
            return self._real.call(call, context)
        if mode == "verify" and self._gateway.by_hand and not (recorded and recorded.ran):
            return self._real.call(call, context)
        if recorded is None or not recorded.ran:
            self._gateway.trouble("unrecorded", f"{call.name} was called, and no result of that call is recorded")
            return ToolResult(call.id, call.name, "no result is recorded for this call", failed=True)
        if mode == "verify":
            self._verify(recorded, self._real.call(call, context))
        return ToolResult(call.id, call.name, recorded.returned, recorded.failed)

    def close(self) -> None:
        """The real tools are not ours to close."""

    def _verify(self, recorded: RecordedCall, result: ToolResult) -> None:
        today = self._redactor.value(result.output)
        wrong = [f"!{line}" for line in differences(recorded.returned, today, recorded.name, exact=True)]
        if recorded.failed != result.failed:
            wrong.append(f"!{recorded.name}: {'fails' if result.failed else 'no longer fails'} today")
        if wrong:
            self._gateway.trouble(
                "tool-drift", f"{recorded.name} gives another result than was recorded", "\n".join(wrong)
            )


def recorded_spec(name: str, description: str) -> ToolSpec:
    """A tool as a recording knows it, without its schema."""
    return ToolSpec(name, description, {"type": "object"}, "exec")


def _merged(real: tuple[ToolSpec, ...], server_tools: Sequence[ToolSpec], order: Sequence[str]) -> tuple[ToolSpec, ...]:
    """The real specs, and those of servers in between where they were recorded."""
    if not server_tools:
        return real
    rank = {name: position for position, name in enumerate(order)}
    merged = list(real)
    for spec in server_tools:
        before = sum(rank.get(each.name, len(rank)) < rank.get(spec.name, len(rank)) for each in merged)
        merged.insert(before, spec)
    return tuple(merged)
