"""`command:`, a program as a tool: an argument list without a shell, bounded, and leaving nothing behind."""

from __future__ import annotations

import os
import selectors
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.core.cancel import Cancel
from runner.core.capability import Capability
from runner.core.errors import UsageError
from runner.core.messages import ToolSpec
from runner.tools.child_environment import child_environment, program_path
from runner.tools.context import Context, ToolFailed, ToolOutput
from runner.tools.entry import ToolEntry, ToolSettings
from runner.tools.entry_capabilities import program_capabilities
from runner.tools.entry_schema import options_schema, shared, text, text_mapping, texts
from runner.tools.output_limit import MOST, Capture
from runner.tools.parameters import (
    DESCRIPTION,
    PLACE,
    fill,
    parameter_problems,
    places,
    plain,
    schema_of,
    with_defaults,
)
from runner.tools.process_tree import Offspring
from runner.tools.tool_kind import EntryProblem, PathOption, RawOptions, SourceText, ToolKind, always

_GRACE = 5.0
_POLL = 0.05
_LINGER = 0.5
_READ = 65_536
_CHOSEN = frozenset({"enum", "const"})
_NUMBERS = frozenset({"integer", "number"})


@dataclass(frozen=True, slots=True)
class CommandTool:
    """One program with places for arguments; a place is exactly one argument, whatever its value holds.

    A value that begins with `-` is refused where it would be an argument of its own, because it could be an option:
    unless `--` stands before it, or its parameter is a number or one of an `enum`.
    """

    spec: ToolSpec
    template: tuple[str, ...]
    parameters: Mapping[str, Mapping[str, Any]]
    folder: Path
    environment: Mapping[str, str]
    stdin: str
    seconds: float
    output_bytes: int
    running: set[Offspring] = field(default_factory=set, compare=False)
    kind: str = "command"

    @property
    def timeout(self) -> float:
        """Longer than the program's own time, so that it ends here and can be told of."""
        return self.seconds + _GRACE

    def subjects(self, arguments: Mapping[str, Any]) -> tuple[str, ...]:
        """The command line; the second has the program's bare name."""
        argv = self._argv(arguments)
        return shlex.join(argv), shlex.join([Path(argv[0]).name, *argv[1:]])

    def run(self, arguments: Mapping[str, Any], context: Context) -> ToolOutput:
        argv = self._argv(arguments)
        fed = fill(self.stdin, with_defaults(self.parameters, arguments), plain).encode()
        try:
            offspring = Offspring([self._program(argv[0]), *argv[1:]], env=self.environment, cwd=self.folder)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ToolFailed(f"{shlex.join(argv)} could not be started in {self.folder}: {reason}") from None
        run = _Run(offspring, self.spec.name, self.output_bytes)
        self.running.add(offspring)
        try:
            run.to_its_end(fed, self.seconds, context.cancel)
        finally:
            self.running.discard(offspring)
        return run.outcome(argv, self.folder)

    def close(self) -> None:
        """End what a call left behind still runs."""
        for offspring in tuple(self.running):
            for pause in offspring.end():
                time.sleep(pause)

    def _argv(self, arguments: Mapping[str, Any]) -> list[str]:
        values = with_defaults(self.parameters, arguments)
        argv: list[str] = []
        for template in self.template:
            argument = fill(template, values, plain)
            if argument.startswith("-") and PLACE.match(template) and "--" not in argv:
                self._refuse_option(template, argument)
            argv.append(argument)
        return argv

    def _refuse_option(self, template: str, argument: str) -> None:
        for name in places(template):
            if not _is_harmless(self.parameters[name]):
                raise ToolFailed(f"{name}: a value may not begin with '-', it could be an option: {argument[:80]!r}")

    def _program(self, name: str) -> str:
        path = program_path(name, self.environment)
        if path is None:
            raise ToolFailed(f"the program {name!r} is not installed, or not on PATH. Tell the user; do not try again.")
        return path


def _open(entry: ToolEntry, settings: ToolSettings) -> Sequence[CommandTool]:
    """The tool that a `command:` entry declares. Raises UsageError."""
    options = entry.options
    program, *rest = options["run"]
    parameters = options.get("parameters", {})
    base = entry.base.resolve()
    tool = CommandTool(
        spec=ToolSpec(
            entry.name, options.get("description", ""), schema_of(parameters), options.get("effects", KIND.effects)
        ),
        template=(str(base / program) if "/" in program else program, *rest),
        parameters=parameters,
        folder=(base / options.get("cwd", ".")).resolve(),
        environment=child_environment(settings.environ, options.get("env", {})),
        stdin=options.get("stdin", ""),
        seconds=options.get("timeout", settings.seconds),
        output_bytes=settings.output_bytes,
    )
    if problem := _flaw(tool, base):
        raise UsageError(f"the tool {entry.name!r} cannot be made: {problem}", where=entry.where)
    return (tool,)


def _is_harmless(parameter: Mapping[str, Any]) -> bool:
    """Only numbers, or only what the file lists, can be its value."""
    kinds = parameter.get("type", "any")
    return bool(_CHOSEN & parameter.keys()) or _NUMBERS.issuperset([kinds] if isinstance(kinds, str) else kinds)


def _flaw(tool: CommandTool, base: Path) -> str:
    """What is wrong with the declaration; nothing if it can be used."""
    if any(places(tool.template[0])):
        return "the program itself may not be chosen by a parameter"
    if not tool.folder.is_relative_to(base):
        return f"its cwd leads out of {base}"
    used, known = {*places(tool.template), *places(tool.stdin)}, set(tool.parameters)
    if stray := sorted(used - known):
        return f"{{{stray[0]}}} stands in it, but is not among its parameters"
    if idle := sorted(known - used):
        return f"its parameter {idle[0]!r} is used nowhere"
    return ""


class _Run:
    """One run of a program: what it is fed, what it says, and how it ends."""

    def __init__(self, offspring: Offspring, name: str, limit: int) -> None:
        self._offspring = offspring
        self._out = Capture(name, limit * 3 // 4)
        self._errors = Capture(f"{name}_stderr", limit // 8)
        self._fed = memoryview(b"")
        self._ready = selectors.DefaultSelector()
        self._stopped = ""
        self._left = 0

    def to_its_end(self, fed: bytes, seconds: float, cancel: Cancel) -> None:
        """Feed and hear the program until it ends or must, then end all that it has started."""
        process = self._offspring.process
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        self._fed = memoryview(fed)
        os.set_blocking(process.stdin.fileno(), False)
        with self._ready, process.stdin, process.stdout, process.stderr, self._out, self._errors:
            self._ready.register(process.stdin, selectors.EVENT_WRITE)
            self._ready.register(process.stdout, selectors.EVENT_READ, self._out)
            self._ready.register(process.stderr, selectors.EVENT_READ, self._errors)
            try:
                self._stopped = self._talk(seconds, cancel)
            finally:
                self._left = len(self._offspring.alive())
                for pause in self._offspring.end():
                    self._hear(pause)
            last = time.monotonic() + _LINGER
            while self._hear(0) and time.monotonic() < last:
                pass

    def outcome(self, argv: Sequence[str], folder: Path) -> ToolOutput:
        """What the model reads: the output, or how and where it failed before what it said."""
        out, errors = self._out.text(), self._errors.text()
        if failure := self._stopped or _failure(self._offspring.exit_code):
            lines = [f"{failure}: {shlex.join(argv)}", f"in {folder}", errors, out]
        else:
            lines = [out, errors and f"[stderr]\n{errors}"]
        if self._left and not self._stopped:
            lines.append(f"[processes that it had left running, and that were ended: {self._left}]")
        if survivors := self._offspring.alive():
            lines.append(f"[processes that could not be ended: {', '.join(map(str, survivors))}]")
        return ToolOutput("\n".join(filter(None, lines)) or "(no output)", failed=bool(failure))

    def _talk(self, seconds: float, cancel: Cancel) -> str:
        """Until it ends; gives why it must be stopped, nothing if it ended by itself."""
        deadline = time.monotonic() + seconds
        lingering = 0.0
        while True:
            heard = self._hear(_POLL)
            now = time.monotonic()
            if self._offspring.exit_code is not None:
                lingering = lingering or now + _LINGER
                if not heard or now >= lingering:
                    return ""
            elif cancel.cancelled:
                return "stopped by the user"
            elif self._out.full or self._errors.full:
                return f"stopped after {MOST >> 20} MiB of output"
            elif now >= deadline:
                return f"stopped after {seconds:g} s"

    def _hear(self, seconds: float) -> bool:
        """Move what can be moved within the time; True if the program said anything."""
        heard = False
        if not self._ready.get_map():
            with suppress(subprocess.TimeoutExpired):
                self._offspring.process.wait(seconds)
        else:
            for key, _ in self._ready.select(seconds):
                if key.data is None:
                    self._feed(key.fileobj)
                elif data := os.read(key.fd, _READ):
                    key.data.feed(data)
                    heard = True
                else:
                    self._ready.unregister(key.fileobj)
        return heard

    def _feed(self, stdin: Any) -> None:
        """Write a piece of the input; the end of it, or of the program's interest, closes the pipe."""
        try:
            self._fed = self._fed[os.write(stdin.fileno(), self._fed[:_READ]) :]
        except BlockingIOError:
            return
        except OSError:
            self._fed = memoryview(b"")
        if not self._fed:
            self._ready.unregister(stdin)
            stdin.close()


def _failure(code: int | None) -> str:
    if not code:
        return "" if code == 0 else "it did not end"
    if code > 0:
        return f"exit code {code}"
    return f"ended by {signal.Signals(-code).name if -code in set(signal.Signals) else f'signal {-code}'}"


def _paths(entry: ToolEntry) -> Mapping[str, PathOption]:
    return {"cwd": PathOption(entry.options["cwd"], "folder")} if "cwd" in entry.options else {}


def _check(entry: ToolEntry, text_of: SourceText) -> Iterator[EntryProblem]:
    program, *rest = entry.options["run"]
    chosen = set(places(program))
    if chosen:
        yield EntryProblem(("run", 0), "the program itself may not be chosen by a parameter")
    templates: list[tuple[tuple[str | int, ...], str]] = [(("run", at), word) for at, word in enumerate(rest, 1)]
    if "stdin" in entry.options:
        templates.append((("stdin",), entry.options["stdin"]))
    yield from parameter_problems(entry.options.get("parameters", {}), templates, used=chosen)


def _capabilities(entry: ToolEntry, raw: RawOptions, folder: Path) -> Iterator[Capability]:
    return program_capabilities("run", entry.options["run"], "", entry, raw)


def _files(entry: ToolEntry) -> Iterator[str]:
    """Any argument, and any value of the environment, may name one."""
    folder = str(entry.options.get("cwd", "."))
    for word in (*entry.options.get("run", ()), *entry.options.get("env", {}).values()):
        yield from (str(word), f"{folder}/{word}")


KIND = ToolKind(
    name="command",
    summary="A program, started without a shell.",
    schema=options_schema(
        "A program, started without a shell.",
        {
            "name": shared("tool_name"),
            "description": DESCRIPTION,
            "run": texts(
                "The program and its arguments. {name} stands for a parameter, and is always exactly one argument.",
                minItems=1,
            ),
            "parameters": shared("parameters"),
            "effects": shared("effects", default="exec"),
            "stdin": text(
                "Text for standard input; {name} stands for a parameter. Without it the program reads nothing."
            ),
            "cwd": text("The folder it runs in, relative to this file."),
            "env": text_mapping("Environment variables beside the few that every program gets."),
            "timeout": shared("timeout"),
        },
        ("name", "description", "run"),
    ),
    open=_open,
    env_fields=frozenset({"env", "cwd"}),
    paths=_paths,
    check=_check,
    capabilities=_capabilities,
    files=_files,
    inert=always,
    program=lambda entry: entry.options["run"],
)
