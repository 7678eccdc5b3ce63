"""`agent:`, another agent file as a tool: it answers one message, with its own model, tools and limits."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runner.core.cancel import Cancel
from runner.core.errors import AgentRunError
from runner.core.messages import ToolSpec
from runner.tools.context import Context, ToolFailed, ToolOutput
from runner.tools.entry import ToolEntry, ToolSettings
from runner.tools.entry_schema import options_schema, shared, shorthand_schema, text
from runner.tools.parameters import schema_of
from runner.tools.tool_kind import Options, PathOption, ToolKind

_GRACE_SECONDS = 5.0
_PARAMETERS = {"message": {"type": "string", "description": "What to ask, with all that the agent needs to know."}}


@dataclass(frozen=True, slots=True)
class AgentTool:
    """An agent that answers one message; it knows nothing of the conversation it is called from."""

    spec: ToolSpec
    path: Path
    settings: ToolSettings
    seconds: float
    kind: str = "agent"

    @property
    def timeout(self) -> float:
        """Longer than the agent's own time, so that it is stopped here and spends nothing more."""
        return self.seconds + _GRACE_SECONDS

    def subjects(self, arguments: Mapping[str, Any]) -> tuple[str, ...]:
        """The message."""
        return (str(arguments.get("message", "")),)

    def run(self, arguments: Mapping[str, Any], context: Context) -> ToolOutput:
        if self.settings.ask_agent is None:
            raise ToolFailed("Agents cannot call agents any deeper here. Answer without this tool.")
        cancel = Cancel()
        timer = threading.Timer(self.seconds, cancel.cancel)
        timer.daemon = True
        timer.start()
        try:
            with context.cancel.on_cancel(cancel.cancel):
                output = self.settings.ask_agent(self.path, arguments["message"], replace(context, cancel=cancel))
        except AgentRunError as error:
            raise ToolFailed(f"The agent {self.spec.name} could not answer: {error}") from error
        finally:
            timer.cancel()
            context.cancel.check()
        if cancel.cancelled:
            raise ToolFailed(f"The agent {self.spec.name} was stopped after {self.seconds:g} s without an answer.")
        return output


def _open(entry: ToolEntry, settings: ToolSettings) -> Sequence[AgentTool]:
    """The tool that an `agent:` entry declares."""
    options = entry.options
    path = entry.folder / options["file"]
    description = options.get("description") or settings.describe_agent(path) or f"Ask the agent {entry.name}."
    spec = ToolSpec(entry.name, description, schema_of(_PARAMETERS), options.get("effects", KIND.effects))
    return (AgentTool(spec, path, settings, options.get("timeout", settings.seconds)),)


def _default_name(options: Options) -> str:
    """The file's name as far as a tool may be called so."""
    file = str(options["file"]).rpartition("/")[2].partition(".")[0]
    return re.sub(r"[^A-Za-z0-9_-]+", "_", file) or "agent"


def _paths(entry: ToolEntry) -> Mapping[str, PathOption]:
    return {"file": PathOption(entry.options["file"], "file")}


def _agent_files(entry: ToolEntry) -> Iterator[Path]:
    yield entry.folder / str(entry.options["file"])


_FILE = text("The agent file, relative to this file.", minLength=1)

KIND = ToolKind(
    name="agent",
    summary="Another agent file as a tool.",
    schema=shorthand_schema(
        "an agent file's path, or a mapping",
        _FILE,
        options_schema(
            "Another agent file as a tool.",
            {
                "file": _FILE,
                "name": shared("tool_name"),
                "description": text("What the model is told; the default is the agent's own description."),
                "effects": shared("effects"),
                "timeout": shared("timeout"),
            },
            ("file",),
        ),
    ),
    open=_open,
    shorthand="file",
    default_name=_default_name,
    paths=_paths,
    capabilities=lambda entry, folder: (),
    agent_files=_agent_files,
    effects="read",
)
