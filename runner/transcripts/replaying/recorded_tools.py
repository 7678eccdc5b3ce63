"""The agent's tools in a replay: run, or answered from the recording, and to the engine a toolbox like any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runner.config.agent import Agent
from runner.core.messages import ToolCall, ToolResult, ToolSpec
from runner.tools import Context, Tool, Toolbox
from runner.transcripts.conversation.tool_modes import RUNNING_MODES, served_prefixes, tool_mode
from runner.transcripts.expectations.matchers import value_differences
from runner.transcripts.model import RecordedCall, Recording, ToolMode
from runner.transcripts.redaction import Redactor
from runner.transcripts.replaying.recorded_gateway import RecordedGateway


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
        if spec is None:
            return self._modes.get(name, "stub")
        return tool_mode(spec, self._real.entry(name), self._modes)

    def allows_unlisted(self, call: ToolCall) -> bool:
        """A call that runs nothing may go on as it was recorded; one that would run for real needs a word."""
        if self.mode(call.name) != "execute":
            return self._gateway.by_hand or self._gateway.ran(call)
        self._gateway.add_deviation("unanswered", f"nobody approves {call.name}: list it under answers.approve")
        return False

    def seconds(self, call: ToolCall) -> float | None:
        return self._real.seconds(call) if self.mode(call.name) in RUNNING_MODES else None

    def call(self, call: ToolCall, context: Context) -> ToolResult:
        recorded = self._gateway.recorded(call)
        mode = self.mode(call.name)
        if mode == "forbid":
            self._gateway.add_deviation("forbidden", f"{call.name} was called, and its mode is forbid")
        if mode == "execute":
            return self._real.call(call, context)
        if mode == "verify" and self._gateway.by_hand and not (recorded and recorded.ran):
            return self._real.call(call, context)
        if recorded is None or not recorded.ran:
            self._gateway.add_deviation("unrecorded", f"{call.name} was called, and no result of that call is recorded")
            return ToolResult(call.id, call.name, "no result is recorded for this call", failed=True)
        if mode == "verify":
            self._verify(recorded, self._real.call(call, context))
        return ToolResult(call.id, call.name, recorded.returned, recorded.failed)

    def close(self) -> None:
        """The real tools are not ours to close."""

    def _verify(self, recorded: RecordedCall, result: ToolResult) -> None:
        today = self._redactor.value(result.output)
        wrong = [f"!{line}" for line in value_differences(recorded.returned, today, recorded.name)]
        if recorded.failed != result.failed:
            wrong.append(f"!{recorded.name}: {'fails' if result.failed else 'no longer fails'} today")
        if wrong:
            self._gateway.add_deviation(
                "tool-drift", f"{recorded.name} gives another result than was recorded", "\n".join(wrong)
            )


def server_tools(agent: Agent, recording: Recording, toolbox: Toolbox) -> tuple[ToolSpec, ...]:
    """The recorded tools that come from servers which a replay does not start."""
    prefixes = served_prefixes(agent)
    if recording.request is None or not prefixes:
        return ()
    known = {spec.name for spec in toolbox.specs}
    recorded = recording.request.tools.items()
    return tuple(
        recorded_spec(name, tool.description)
        for name, tool in recorded
        if name.startswith(prefixes) and name not in known
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
        before = sum(rank.get(other.name, len(rank)) < rank.get(spec.name, len(rank)) for other in merged)
        merged.insert(before, spec)
    return tuple(merged)
