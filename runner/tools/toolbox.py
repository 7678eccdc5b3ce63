"""The tools of one session: found by name, called with checked arguments, never raising."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from runner.core.cancel import Cancelled
from runner.core.errors import UsageError
from runner.core.foreign_code import run_foreign
from runner.core.messages import ToolCall, ToolResult, ToolSpec
from runner.core.thread_pool import Job, side_by_side
from runner.core.truncate import truncate
from runner.tools.context import Context, ToolFailed, ToolOutput
from runner.tools.protocols import Tool, ToolSource

if TYPE_CHECKING:
    from runner.core.json_schema import JsonSchema
    from runner.tools.entry import ToolEntry

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CLOSE_SECONDS = 10.0
_MAX_SUGGESTIONS = 5
_LIST_ALL_UP_TO = 12
_QUOTED_CHARACTERS = 200


class Toolbox:
    """Tools by name. Takes tools, tool classes, functions and sources.

    `seconds`: how long a call may take unless its tool says otherwise. `output_bytes`: what of a result the model
    reads; more goes to a private file. `notify` tells the user of a source's tool that cannot be had. `entries` are
    those of the agent file that the tools were opened from, one for each. Raises UsageError for what is no tool, and
    for two tools of one name.
    """

    def __init__(
        self,
        tools: Iterable[Tool | ToolSource | type | Callable[..., Any]] = (),
        *,
        seconds: float = 120,
        output_bytes: int = 65_536,
        notify: Callable[[str], None] = lambda text: None,
        entries: Sequence[ToolEntry] = (),
    ) -> None:
        self._seconds = seconds
        self._output_bytes = output_bytes
        self._notify = notify
        self._members = tuple(as_tool(thing) for thing in tools)
        self._entries = {id(member): entry for member, entry in zip(self._members, entries, strict=False)}
        self._own = _by_name(member for member in self._members if not isinstance(member, ToolSource))
        self._has_sources = any(isinstance(member, ToolSource) for member in self._members)
        self._known: dict[str, Tool] = {} if self._has_sources else self._own
        self._source_of: dict[str, ToolSource] = {}
        self._left_out: set[str] = set()
        self._schemas: dict[str, JsonSchema] = {}

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """The tools as the model is told of them, in order; waits for the servers among them."""
        if self._has_sources:
            self._known = self._collect()
        return tuple(tool.spec for tool in self._known.values())

    def find(self, name: str) -> Tool | None:
        """The tool that a call of `name` would run, also in another case; None if there is none."""
        if self._has_sources and not self._known:
            self._known = self._collect()
        if name in self._known:
            return self._known[name]
        from runner.tools.tool_names import name_meant  # lazy: models rarely miss

        meant = name_meant(name, self._known)
        return self._known[meant] if meant is not None else None

    def entry(self, name: str) -> ToolEntry | None:
        """The entry of the agent file that the tool was opened from: what it is, whatever it is called."""
        tool = self.find(name)
        member = self._source_of.get(tool.spec.name, tool) if tool else None
        return self._entries.get(id(member))

    def spec(self, name: str) -> ToolSpec | None:
        """What the model is told of the tool that a call of `name` would run."""
        tool = self.find(name)
        return tool.spec if tool else None

    def seconds(self, call: ToolCall) -> float | None:
        tool = self.find(call.name)
        if tool is None or getattr(tool, "inline", False):
            return None
        return getattr(tool, "timeout", None) or self._seconds

    def call(self, call: ToolCall, context: Context) -> ToolResult:
        """The call's result; whatever goes wrong is a failed one that says what to do.

        Raises KeyboardInterrupt alone, and only in the main thread, where it is the user's ^C.
        """
        started = time.perf_counter()
        output = self._output_of(call, context)
        seconds = time.perf_counter() - started
        return ToolResult(call.id, call.name, output.output, output.failed, seconds, output.files)

    def close(self) -> None:
        close_all(self._members)

    def _collect(self) -> dict[str, Tool]:
        """The tools of now. One of a source whose name is taken is left out alone: it must not stand in for another."""
        tools: dict[str, Tool] = {}
        for member in self._members:
            if not isinstance(member, ToolSource):
                tools[member.spec.name] = member
                continue
            for tool in member.tools():
                name = tool.spec.name
                if name in self._own or name in tools:
                    self._leave_out(name, "another tool has that name")
                elif not _NAME.fullmatch(name):
                    self._leave_out(name, "that cannot be a tool's name")
                else:
                    tools[name] = tool
                    self._source_of[name] = member
        return tools

    def _leave_out(self, name: str, why: str) -> None:
        """Tell the user, once."""
        if name not in self._left_out:
            self._left_out.add(name)
            self._notify(f"the tool {name!r} of a server is left out: {why}")

    def _output_of(self, call: ToolCall, context: Context) -> ToolOutput:
        from runner.tools.captured_output import PrintedOutput  # lazy: many a session calls no tool
        from runner.tools.tool_output import limited_output  # lazy, as above

        printed = PrintedOutput()
        with nullcontext() if self.seconds(call) is None else printed:
            output, error = run_foreign(lambda: limited_output(self._run(call, context), call.name, self._output_bytes))
        if output is None or error is not None:
            output = limited_output(
                ToolOutput(_error_text(call.name, error), failed=True), call.name, self._output_bytes
            )
        if printed.text:
            context.notify(f"{call.name} printed: {printed.text.rstrip()}")
        return output

    def _run(self, call: ToolCall, context: Context) -> Any:
        tool = self.find(call.name)
        if tool is None:
            raise ToolFailed(self._unknown(call.name))
        if call.arguments is None:
            raise ToolFailed(f"{call.problem}\nIt was not run. What was sent: {_quote(call.raw)}")
        if tool.spec.name != call.name:
            context.notify(f"the model called {call.name!r}: taken for {tool.spec.name!r}")
        if problems := self._argument_problems(tool.spec, call.arguments):
            raise ToolFailed("\n".join(("The arguments do not fit, so it was not run:", *problems)))
        context.cancel.check()
        return tool.run(call.arguments, context)

    def _argument_problems(self, spec: ToolSpec, arguments: Any) -> list[str]:
        from runner.core.json_schema import JsonSchema  # lazy: many a session calls no tool
        from runner.tools.argument_validator import argument_problems

        schema = self._schemas.get(spec.name)
        if schema is None or schema.schema is not spec.parameters:
            schema = self._schemas[spec.name] = JsonSchema(spec.parameters)
        return argument_problems(schema, arguments)

    def _unknown(self, name: str) -> str:
        from runner.core.spelling import close_names  # lazy: models rarely miss

        names = tuple(self._known)
        near = close_names(name, names, _MAX_SUGGESTIONS, 0.5) or (names if len(names) <= _LIST_ALL_UP_TO else ())
        hint = f"Did you mean {' or '.join(near)}?" if near else "Use one of the tools that you were told of."
        return f"There is no tool {_quote(name)}. {hint}"


def as_tool(thing: Any, options: Mapping[str, Any] | None = None, where: str = "") -> Tool | ToolSource:
    """A tool or a source out of whatever a caller may give; a class is instantiated with the options.

    Raises UsageError that names `where`.
    """
    if isinstance(thing, type) and any(callable(getattr(thing, method, None)) for method in ("run", "tools")):
        made, error = run_foreign(partial(thing, **options or {}))
        if error is not None:
            why = f"{type(error).__name__}: {error}"
            raise UsageError(f"{thing.__name__} cannot be made with these options", where=where, why=why)
        thing = made
    if isinstance(thing, Tool | ToolSource) and not isinstance(thing, type):
        return thing
    if callable(thing) and not isinstance(thing, type):
        from runner.tools.function import FunctionTool  # lazy: it needs inspect

        return FunctionTool(thing)
    raise UsageError(f"{thing!r} is no tool", where=where, fix="give a function with type hints, or a class of tools")


def close_all(members: Iterable[Tool | ToolSource]) -> None:
    """Close each thing that can be closed, once; side by side, for a server may take its time."""
    closable = {id(member): member for member in members if hasattr(member, "close")}
    jobs = [Job(partial(run_foreign, member.close), _CLOSE_SECONDS) for member in closable.values()]
    for _ in side_by_side(jobs, lambda position: (None, None)):
        pass


def _by_name(tools: Iterable[Tool]) -> dict[str, Tool]:
    """Raises UsageError."""
    known: dict[str, Tool] = {}
    for tool in tools:
        name = tool.spec.name
        if name in known:
            raise UsageError(f"two tools are named {name!r}", fix="rename one of them")
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} cannot be a tool's name", fix="use at most 64 of A-Z a-z 0-9 _ -")
        known[name] = tool
    return known


def _quote(text: str) -> str:
    return repr(truncate(text, _QUOTED_CHARACTERS + 1))


def _error_text(name: str, error: BaseException | None) -> str:
    """What a tool's exception tells the model."""
    match error:
        case ToolFailed():
            return str(error)
        case Cancelled() | KeyboardInterrupt():
            return "stopped before it was done"
        case SystemExit():
            return f"{name} tried to end the program (exit code {error.code!r}). Its result is not known."
    words, _ = run_foreign(lambda: str(error))
    return f"{name} failed: {type(error).__name__}: {words}"
