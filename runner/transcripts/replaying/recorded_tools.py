"""The agent's tools in a replay: run, or answered from the recording, and to the engine a toolbox like any other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from runner.core.messages import ToolCall, ToolResult, ToolSpec
from runner.engine.approval import ApprovalRequest
from runner.tools import Context, Tool
from runner.tools.catalogue import tool_kind_of
from runner.tools.context import ToolFailed
from runner.transcripts.conversation.run_context import ReplayedEntries
from runner.transcripts.conversation.scripted_user import may_ask
from runner.transcripts.conversation.tool_modes import RUNNING_MODES, tool_mode
from runner.transcripts.expectations.matchers import value_differences
from runner.transcripts.model import RecordedCall, ToolMode
from runner.transcripts.redaction import Redactor
from runner.transcripts.replaying.recorded_gateway import RecordedGateway


class ClosedTool(NamedTuple):
    """A tool that is known from the recording alone, for the permission rules of its kind."""

    spec: ToolSpec
    kind: str
    separator: str = ""

    def run(self, arguments: Mapping[str, Any], context: Context) -> Any:
        raise ToolFailed(f"{self.spec.name} was not opened")


class RecordedTools:
    """The agent's tools in a replay: each runs, or gives its recorded result, as its mode says.

    `modes` gives a mode by tool where the default is not meant; a tool that is not opened never runs.
    """

    def __init__(
        self, entries: ReplayedEntries, gateway: RecordedGateway, modes: Mapping[str, ToolMode], redactor: Redactor
    ) -> None:
        self._real = entries.toolbox
        self._closed = {
            spec.name: ClosedTool(spec, entry.kind, "__" if tool_kind_of(entry).naming == "group" else "")
            for entry, specs, _ in entries.closed.values()
            for spec in specs
        }
        self._closed_entries = {name: closed.entry for closed in entries.closed.values() for name in closed.names}
        self._gateway = gateway
        self._modes = modes
        self._redactor = redactor
        self._specs = entries.specs
        self._known = {spec.name: spec for spec in self._specs}

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        return self._specs

    def spec(self, name: str) -> ToolSpec | None:
        """The tool that a call of `name` means, also in another case, as outside a replay."""
        if name in self._known:
            return self._known[name]
        from runner.tools.tool_names import name_meant  # lazy: models rarely miss

        meant = name_meant(name, self._known)
        return self._known[meant] if meant is not None else None

    def find(self, name: str) -> Tool | None:
        """The real tool of that name, or what the recording knows of it, for the rules that speak of its kind."""
        spec = self.spec(name)
        return None if spec is None else self._closed.get(spec.name) or self._real.find(spec.name)

    def mode(self, name: str) -> ToolMode:
        """What a call of the tool does here."""
        spec = self.spec(name)
        if spec is None or spec.name in self._closed:
            return self._modes.get(spec.name if spec else name, "stub")
        return tool_mode(spec, self._real.entry(spec.name), self._modes)

    def allows_unlisted(self, call: ToolCall, request: ApprovalRequest) -> bool:
        """A call that runs nothing may go on as it was recorded; one that would run for real needs a word.

        So does one that a rule asks about by name where the recording was not asked: the rule came later.
        """
        recorded = self._gateway.peek(call)  # None for a call that an agent makes which runs as a tool
        came_later = bool(request.asking_rule) and recorded is not None and recorded.ran and not recorded.asked
        if recorded is not None and self.mode(call.name) != "execute" and not came_later:
            return self._gateway.by_hand or recorded.ran
        why = f" ({request.reason})" if request.asking_rule else ""
        what = f"nobody approves {call.name}{why}: list it under answers.approve"
        self._gateway.add_call_deviation("unanswered", call, what)
        return False

    def seconds(self, call: ToolCall) -> float | None:
        return self._real.seconds(call) if self.mode(call.name) in RUNNING_MODES else None

    def call(self, call: ToolCall, context: Context) -> ToolResult:
        recorded = self._gateway.recorded(call)
        mode = self.mode(call.name)
        if mode == "forbid":
            self._gateway.add_call_deviation("forbidden", call, f"{call.name} was called, and its mode is forbid")
        if mode == "execute":
            return self._real.call(call, context)
        if mode == "verify" and self._gateway.by_hand and not (recorded and recorded.ran):
            return self._real.call(call, context)
        if recorded is None or not recorded.ran:
            what = f"{call.name} was called, and no result of that call is recorded"
            self._gateway.add_call_deviation("unrecorded", call, what)
            return ToolResult(call.id, call.name, "no result is recorded for this call", failed=True)
        if mode == "verify":
            self._verify(call, recorded, self._real.call(call, context))
        return ToolResult(call.id, call.name, recorded.returned, recorded.failed)

    def may_have_asked(self, name: str) -> bool:
        """A call of the tool gave its recorded result, before which it may have asked the user; or the tool is gone."""
        spec = self.spec(name)
        if spec is None:
            return True
        entry = self._closed_entries.get(spec.name) or self._real.entry(spec.name)
        return self.mode(name) not in RUNNING_MODES and may_ask(entry)

    def close(self) -> None:
        """The real tools are not ours to close."""

    def _verify(self, call: ToolCall, recorded: RecordedCall, result: ToolResult) -> None:
        today = self._redactor.value(result.output)
        wrong = [f"!{line}" for line in value_differences(recorded.returned, today, recorded.name)]
        if recorded.failed != result.failed:
            wrong.append(f"!{recorded.name}: {'fails' if result.failed else 'no longer fails'} today")
        if wrong:
            what = f"{recorded.name} gives another result than was recorded"
            self._gateway.add_call_deviation("tool-drift", call, what, "\n".join(wrong))
