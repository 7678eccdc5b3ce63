"""The tools of one session: found by name, called with checked arguments, never raising."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from runner.core.cancel import Cancelled
from runner.core.errors import AgentRunError, UsageError
from runner.core.messages import ToolCall, ToolResult, ToolSpec
from runner.core.workers import Job, side_by_side
from runner.tools.context import Context, Opening, Outcome, ToolFailed

if TYPE_CHECKING:
    from runner.tools.arguments import Checker

T = TypeVar("T")

_COMMON = frozenset({"name", "description", "effects", "timeout"})
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CLOSE_SECONDS = 10.0
_NEAREST = 5
_FEW = 12
_QUOTED = 200


@runtime_checkable
class Tool(Protocol):
    """One thing that can be done.

    It may also have `timeout` (seconds, None for the agent's), `inline` (True: it runs in the session's own thread,
    for what talks to the user), `close()`, and for permission rules `kind` ("command", …), `canonical(arguments)`:
    the arguments in their one spelling, and `subjects(arguments)`: the texts that stand for a call, the truest first.
    """

    @property
    def spec(self) -> ToolSpec:
        """What the model is told."""

    def run(self, arguments: Mapping[str, Any], context: Context) -> Any:
        """Do it: text, any JSON value or an Outcome. What it raises becomes a failed result that the model reads."""


@runtime_checkable
class Source(Protocol):
    """Tools that are known only later and may change between turns: those of a server, say."""

    def tools(self) -> Sequence[Tool]:
        """The tools of now; waits until they are known."""

    def close(self) -> None:
        """Let go of what the tools hold."""


@runtime_checkable
class Tools(Protocol):
    """What the engine needs of a set of tools; a recording's tape is one too."""

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """The tools as the model is told of them, in order."""

    def seconds(self, call: ToolCall) -> float | None:
        """How long the call may take; None for one that answers at once."""

    def call(self, call: ToolCall, context: Context) -> ToolResult:
        """The call's result. Never raises."""

    def close(self) -> None:
        """Let go of what the tools hold."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A tool as a file declares it: its kind ("builtin", "python", "command", …), its options, and where it stands.

    The options `effects` and `timeout` may stand at every kind.
    """

    kind: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    where: str = ""
    base: Path = Path()


class Toolbox:
    """Tools by name. Takes tools, tool classes, functions and sources.

    `seconds`: how long a call may take unless its tool says otherwise. `output_bytes`: what of a result the model
    reads; more goes to a private file. Raises UsageError for what is no tool, and for two tools of one name.
    """

    def __init__(
        self,
        tools: Iterable[Tool | Source | type | Callable[..., Any]] = (),
        *,
        seconds: float = 120,
        output_bytes: int = 65_536,
    ) -> None:
        self._seconds = seconds
        self._output_bytes = output_bytes
        self._offers = tuple(offer(each) for each in tools)
        self._lively = any(isinstance(each, Source) for each in self._offers)
        self._known: dict[str, Tool] = {}
        self._checkers: dict[str, Checker] = {}
        if not self._lively:
            self._known = _by_name(self._offers)

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """The tools as the model is told of them, in order; waits for the servers among them."""
        if self._lively:
            self._known = _by_name(self._offers)
        return tuple(tool.spec for tool in self._known.values())

    def find(self, name: str) -> Tool | None:
        """The tool that a call of `name` would run, also in another case; None if there is none."""
        if self._lively and not self._known:
            self._known = _by_name(self._offers)
        if name in self._known:
            return self._known[name]
        alike = [tool for each, tool in self._known.items() if each.casefold() == name.casefold()]
        return alike[0] if len(alike) == 1 else None

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
        outcome = self._outcome(call, context)
        seconds = time.perf_counter() - started
        return ToolResult(call.id, call.name, outcome.output, outcome.failed, seconds, outcome.files)

    def close(self) -> None:
        _close(self._offers)

    def _outcome(self, call: ToolCall, context: Context) -> Outcome:
        from runner.tools.printing import Printed  # lazy: many a session calls no tool
        from runner.tools.results import present  # lazy, as above

        printed = Printed()
        with nullcontext() if self.seconds(call) is None else printed:
            outcome, error = attempt(lambda: present(self._run(call, context), call.name, self._output_bytes))
        if outcome is None or error is not None:
            outcome = present(Outcome(_blame(call.name, error), failed=True), call.name, self._output_bytes)
        if printed.text:
            context.notify(f"{call.name} printed: {printed.text.rstrip()}")
        return outcome

    def _run(self, call: ToolCall, context: Context) -> Any:
        tool = self.find(call.name)
        if tool is None:
            raise ToolFailed(self._unknown(call.name))
        if call.arguments is None:
            raise ToolFailed(f"{call.problem}\nIt was not run. What was sent: {_quote(call.raw)}")
        if tool.spec.name != call.name:
            context.notify(f"the model called {call.name!r}: taken for {tool.spec.name!r}")
        if problems := self._checker(tool.spec).problems(call.arguments):
            raise ToolFailed("\n".join(("The arguments do not fit, so it was not run:", *problems)))
        context.cancel.check()
        return tool.run(call.arguments, context)

    def _checker(self, spec: ToolSpec) -> Checker:
        checker = self._checkers.get(spec.name)
        if checker is None or checker.schema is not spec.parameters:
            from runner.tools.arguments import Checker  # lazy: many a session calls no tool

            checker = self._checkers[spec.name] = Checker(spec.parameters)
        return checker

    def _unknown(self, name: str) -> str:
        from difflib import get_close_matches  # lazy: models rarely miss

        names = tuple(self._known)
        near = get_close_matches(name, names, n=_NEAREST, cutoff=0.5) or (names if len(names) <= _FEW else ())
        hint = f"Did you mean {' or '.join(near)}?" if near else "Use one of the tools that you were told of."
        return f"There is no tool {_quote(name)}. {hint}"


def open_toolbox(declared: Iterable[Declared], opening: Opening | None = None) -> Toolbox:
    """The tools that an agent file declares, made by the catalogue's openers. Raises UsageError; close it after use.

    A catalogue row of KINDS is `open_<kind>(declared, opening) -> Sequence[Tool | Source]`; one of BUILT_INS is
    whatever Toolbox takes, or a tuple of it. A python file is imported here, so the agent must be trusted by now.
    """
    opening = opening or Opening()
    opened: list[Tool | Source] = []
    try:
        for each in declared:
            opened.extend(_open(each, opening))
        return Toolbox(opened, seconds=opening.seconds, output_bytes=opening.output_bytes)
    except AgentRunError:
        _close(opened)
        raise


def _open(declared: Declared, opening: Opening) -> Iterable[Tool | Source]:
    from runner.tools import BUILT_INS, KINDS, load  # lazy: the catalogue's module imports this one

    if opener := KINDS.get(declared.name if declared.kind == "builtin" else declared.kind):
        found: Iterable[Tool | Source] = load(opener)(declared, opening)
        return found
    thing = load(BUILT_INS[declared.name]) if declared.name in BUILT_INS else _third_party(declared)
    things = thing if isinstance(thing, tuple) else (thing,)
    options = {key: value for key, value in declared.options.items() if key not in _COMMON}
    return [adjusted(offer(each, options, declared.where), declared) for each in things]


def _third_party(declared: Declared) -> Any:
    from importlib.metadata import entry_points  # lazy: only for a name the catalogue lacks

    for point in entry_points(group="agent_run.tools", name=declared.name):
        return point.load()
    raise UsageError(f"there is no tool {declared.name!r}", where=declared.where)


def offer(thing: Any, options: Mapping[str, Any] | None = None, where: str = "") -> Tool | Source:
    """A tool or a source out of whatever a caller may give; a class is instantiated with the options.

    Raises UsageError that names `where`.
    """
    if isinstance(thing, type) and any(callable(getattr(thing, method, None)) for method in ("run", "tools")):
        try:
            thing = thing(**options or {})
        except TypeError as error:
            raise UsageError(
                f"{thing.__name__} cannot be made with these options", where=where, why=str(error)
            ) from None
    if isinstance(thing, Tool | Source) and not isinstance(thing, type):
        return thing
    if callable(thing) and not isinstance(thing, type):
        from runner.tools.function import FunctionTool  # lazy: it needs inspect

        return FunctionTool(thing)
    raise UsageError(f"{thing!r} is no tool", where=where, fix="give a function with type hints, or a class of tools")


def _close(offers: Iterable[Tool | Source]) -> None:
    """Close each thing that can be closed, once; side by side, for a server may take its time."""
    closers = {id(offer): offer for offer in offers if hasattr(offer, "close")}
    jobs = [Job(partial(attempt, each.close), _CLOSE_SECONDS) for each in closers.values()]
    for _ in side_by_side(jobs, lambda position: (None, None)):
        pass


@dataclass(frozen=True, slots=True)
class _Adjusted:
    """A tool as the agent file wants it."""

    tool: Tool
    spec: ToolSpec
    timeout: float | None

    def run(self, arguments: Mapping[str, Any], context: Context) -> Any:
        return self.tool.run(arguments, context)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tool, name)


def adjusted(tool: Tool | Source, declared: Declared) -> Tool | Source:
    """The tool with the name, description, effects and timeout that its declaration sets."""
    options = declared.options
    if isinstance(tool, Source) or not _COMMON & options.keys():
        return tool
    spec = replace(tool.spec, **{key: options[key] for key in ("name", "description", "effects") if key in options})
    return _Adjusted(tool, spec, options.get("timeout", getattr(tool, "timeout", None)))


def _by_name(offers: Iterable[Tool | Source]) -> dict[str, Tool]:
    known: dict[str, Tool] = {}
    for offer in offers:
        for tool in offer.tools() if isinstance(offer, Source) else (offer,):
            name = tool.spec.name
            if name in known:
                raise UsageError(f"two tools are named {name!r}", fix="rename one of them")
            if not _NAME.fullmatch(name):
                raise UsageError(f"{name!r} cannot be a tool's name", fix="use at most 64 of A-Z a-z 0-9 _ -")
            known[name] = tool
    return known


def _quote(text: str) -> str:
    return repr(text if len(text) <= _QUOTED else text[:_QUOTED] + "…")


def _blame(name: str, error: BaseException | None) -> str:
    """What a tool's exception tells the model."""
    match error:
        case ToolFailed():
            return str(error)
        case Cancelled() | KeyboardInterrupt():
            return "stopped before it was done"
        case SystemExit():
            return f"{name} tried to end the program (exit code {error.code!r}). Its result is not known."
    words, _ = attempt(lambda: str(error))
    return f"{name} failed: {type(error).__name__}: {words}"


def attempt(job: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    """What the job gives, or what it raises: the wall between foreign code and the session.

    Only the user's own ^C, which comes in the main thread, goes through it.
    """
    try:
        return job(), None
    except BaseException as error:  # foreign code may raise anything, SystemExit too
        if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise
        return None, error
