"""`command:`, a program as a tool: an argument list without a shell, bounded, and leaving nothing behind."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from runner.core.capability import Capability
from runner.core.child_environment import child_environment, program_path
from runner.core.errors import NeedsTrust, UsageError
from runner.core.messages import ToolSpec
from runner.tools.context import Context, ToolFailed, ToolOutput
from runner.tools.entry import ToolEntry, ToolSettings
from runner.tools.entry_capabilities import program_capabilities
from runner.tools.entry_schema import options_schema, shared, text, text_mapping, texts
from runner.tools.parameters import (
    DESCRIPTION,
    PLACEHOLDER,
    as_text,
    fill,
    parameter_problems,
    placeholder_error,
    placeholders,
    schema_of,
    with_defaults,
)
from runner.tools.process_tree import ProcessTree
from runner.tools.program_run import ProgramRun
from runner.tools.tool_kind import EntryProblem, NamedFile, PathOption, SourceText, ToolKind, always

_GRACE_SECONDS = 5.0
_CHOSEN = frozenset({"enum", "const"})
_NUMBERS = frozenset({"integer", "number"})


@dataclass(frozen=True, slots=True)
class CommandTool:
    """One program with placeholders for arguments; one is exactly one argument, whatever its value holds.

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
    running: set[ProcessTree] = field(default_factory=set, compare=False)
    starting: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)
    check_files: Callable[[], None] = field(default=lambda: None, compare=False, repr=False)
    kind: str = "command"

    @property
    def timeout(self) -> float:
        """Longer than the program's own time, so that it ends here and can be told of."""
        return self.seconds + _GRACE_SECONDS

    def subjects(self, arguments: Mapping[str, Any]) -> tuple[str, ...]:
        """The command line; the second has the program's bare name."""
        argv = self._argv(arguments)
        return shlex.join(argv), shlex.join([Path(argv[0]).name, *argv[1:]])

    def run(self, arguments: Mapping[str, Any], context: Context) -> ToolOutput:
        argv = self._argv(arguments)
        stdin = fill(self.stdin, with_defaults(self.parameters, arguments), as_text).encode()
        try:
            with self.starting:  # a program that has begun is known to `close`
                self.check_files()
                process_tree = ProcessTree([self._program(argv[0]), *argv[1:]], env=self.environment, cwd=self.folder)
                self.running.add(process_tree)
        except NeedsTrust as error:
            context.notify(str(error))
            raise ToolFailed(f"{error.what}. Tell the user; do not try again.") from None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise ToolFailed(f"{shlex.join(argv)} could not be started in {self.folder}: {reason}") from None
        run = ProgramRun(process_tree, self.spec.name, self.output_bytes)
        try:
            run.wait(stdin, self.seconds, context.cancel)
        finally:
            self.running.discard(process_tree)
        return run.output(argv, self.folder)

    def close(self) -> None:
        """End what a call left behind still runs."""
        with self.starting:
            running = tuple(self.running)
        for process_tree in running:
            for pause in process_tree.end():
                time.sleep(pause)

    def _argv(self, arguments: Mapping[str, Any]) -> list[str]:
        values = with_defaults(self.parameters, arguments)
        argv: list[str] = []
        for template in self.template:
            argument = fill(template, values, as_text)
            if argument.startswith("-") and PLACEHOLDER.match(template) and "--" not in argv:
                self._refuse_option(template, argument)
            argv.append(argument)
        return argv

    def _refuse_option(self, template: str, argument: str) -> None:
        for name in placeholders(template):
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
    agent_folder = entry.folder.resolve()
    tool = CommandTool(
        spec=ToolSpec(
            entry.name, options.get("description", ""), schema_of(parameters), options.get("effects", KIND.effects)
        ),
        template=(str(agent_folder / program) if "/" in program else program, *rest),
        parameters=parameters,
        folder=(agent_folder / options.get("cwd", ".")).resolve(),
        environment=child_environment(settings.environ, options.get("env", {})),
        stdin=options.get("stdin", ""),
        seconds=options.get("timeout", settings.seconds),
        output_bytes=settings.output_bytes,
        check_files=partial(settings.check_files, entry),
    )
    if problem := _declaration_error(tool, agent_folder):
        raise UsageError(f"the tool {entry.name!r} cannot be made: {problem}", where=entry.where)
    return (tool,)


def _is_harmless(parameter: Mapping[str, Any]) -> bool:
    """Only numbers, or only what the file lists, can be its value."""
    kinds = parameter.get("type", "any")
    return bool(_CHOSEN & parameter.keys()) or _NUMBERS.issuperset([kinds] if isinstance(kinds, str) else kinds)


def _declaration_error(tool: CommandTool, agent_folder: Path) -> str:
    """What is wrong with the declaration; nothing if it can be used."""
    if any(placeholders(tool.template[0])):
        return "the program itself may not be chosen by a parameter"
    if not tool.folder.is_relative_to(agent_folder):
        return f"its cwd leads out of {agent_folder}"
    return placeholder_error(tool.parameters, tool.template, tool.stdin)


def _paths(entry: ToolEntry) -> Mapping[str, PathOption]:
    return {"cwd": PathOption(entry.options["cwd"], "folder")} if "cwd" in entry.options else {}


def _check(entry: ToolEntry, text_of: SourceText) -> Iterator[EntryProblem]:
    program, *rest = entry.options["run"]
    chosen = set(placeholders(program))
    if chosen:
        yield EntryProblem(("run", 0), "the program itself may not be chosen by a parameter")
    templates: list[tuple[tuple[str | int, ...], str]] = [(("run", at), word) for at, word in enumerate(rest, 1)]
    if "stdin" in entry.options:
        templates.append((("stdin",), entry.options["stdin"]))
    yield from parameter_problems(entry.options.get("parameters", {}), templates, used=chosen)
    for at, name in _placeholders_in_code(entry):
        hint = "pass it as a further argument: sh -c 'grep -- \"$1\" notes' sh {name}".replace("{name}", f"{{{name}}}")
        yield EntryProblem(("run", at), f"what {{{name}}} brings is run as code", hint, severity="warning")


def _placeholders_in_code(entry: ToolEntry) -> Iterator[tuple[int, str]]:
    """The words of the command line that are code, and each parameter of free text in them."""
    from runner.tools.script_words import script_words  # lazy: only where a file is checked or consent is asked for

    argv, parameters = entry.options["run"], entry.options.get("parameters", {})
    for at in script_words(argv):
        for name in dict.fromkeys(placeholders(argv[at])):
            if name in parameters and not _is_harmless(parameters[name]):
                yield at, name


def _capabilities(entry: ToolEntry, folder: Path) -> Iterator[Capability]:
    names = dict.fromkeys(f"{{{name}}}" for _, name in _placeholders_in_code(entry))
    note = f" (runs what the model fills in for {', '.join(names)})" if names else ""
    return program_capabilities("run", entry.options["run"], note, entry)


def _files(entry: ToolEntry) -> Iterable[NamedFile]:
    from runner.tools.named_files import files_of_program  # lazy: only where trust is asked about

    return files_of_program(entry.options.get("run", ()), entry)


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
    opens_safely=always,
    program=lambda entry: entry.options["run"],
)
