"""JSON output: events as JSON lines while they happen, or one object at the end."""

from __future__ import annotations

import json
import os
from typing import Any, TextIO

from runner.core.errors import AgentRunError
from runner.core.events import Asked, Event, Notice, Replied, TextDelta, ToolFinished, ToolStarted, TurnEnded
from runner.core.messages import Usage
from runner.core.sanitize import escape_json


class JsonLinesOutput:
    """`--output jsonl`: one object a line, `type` first."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def begin(self, session: dict[str, Any]) -> None:
        self._write({"type": "session"} | session)

    def show(self, event: Event) -> None:
        self._write(_redacted(event.to_dict()) if isinstance(event, Notice) else event.to_dict())

    def fail(self, error: AgentRunError) -> None:
        self._write(_redacted(error.to_dict()))

    def end(self) -> None:
        """Nothing is held back."""

    def _write(self, value: dict[str, Any]) -> None:
        self._out.write(escape_json(json.dumps(value, default=str)) + "\n")
        self._out.flush()


class JsonOutput:
    """`--output json`: the last turn's answer and the whole run's usage, cost and calls, as one object at the end."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._object: dict[str, Any] = {
            "text": "",
            "finish_reason": "",
            "usage": Usage().to_dict(),
            "cost_usd": None,
            "tool_calls": [],
            "session": {},
        }
        self._usage = Usage()
        self._deltas: list[str] = []
        self._notices: list[dict[str, Any]] = []

    def begin(self, session: dict[str, Any]) -> None:
        self._object["session"] = session

    def show(self, event: Event) -> None:
        result = self._object
        if isinstance(event, TextDelta):
            self._deltas.append(event.text)
        elif isinstance(event, Asked):
            self._deltas.clear()
            result |= {"text": "", "finish_reason": ""}
            result.pop("error", None)
        elif isinstance(event, Replied):
            self._deltas.clear()
            result |= {"text": event.text, "finish_reason": event.finish_reason}
        elif isinstance(event, ToolStarted):
            result["tool_calls"].append(event.call.to_dict())
        elif isinstance(event, ToolFinished):
            self._add_result(event)
        elif isinstance(event, Notice):
            self._notices.append(_redacted(event.to_dict()))
        elif isinstance(event, TurnEnded):
            self._end_turn(event)

    def _end_turn(self, event: TurnEnded) -> None:
        result = self._object
        self._usage += event.usage
        result["usage"] = self._usage.to_dict()
        if event.cost_usd is not None:
            result["cost_usd"] = (result["cost_usd"] or 0.0) + event.cost_usd
        if event.reason != "answered":
            result["finish_reason"] = {"truncated": "length"}.get(event.reason, event.reason)

    def _add_result(self, event: ToolFinished) -> None:
        for call in reversed(self._object["tool_calls"]):
            if call["id"] == event.result.call_id:
                call |= {"output": event.result.output, "failed": event.result.failed}
                return

    def fail(self, error: AgentRunError) -> None:
        self._object["error"] = {key: value for key, value in _redacted(error.to_dict()).items() if key != "type"}

    def end(self) -> None:
        if self._deltas:  # a reply that broke off
            self._object["text"] = "".join(self._deltas)
        if self._notices:
            self._object["notices"] = self._notices
        self._out.write(escape_json(json.dumps(self._object, default=str)) + "\n")
        self._out.flush()


def _redacted(value: dict[str, Any]) -> dict[str, Any]:
    """What is told of a run, without the secrets that an address or a server's words may hold."""
    from runner.core.secrets import redact_known  # lazy: most runs have nothing to tell

    return {key: redact_known(text, os.environ) if isinstance(text, str) else text for key, text in value.items()}
