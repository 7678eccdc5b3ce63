"""`python:`, a function of the agent's own folder or of an installed package as a tool. Opening it runs that code."""

from __future__ import annotations

import hashlib
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from runner.core.capability import Capability
from runner.core.errors import AgentRunError, NeedsTrust, UsageError
from runner.core.files import read_bounded
from runner.core.foreign_code import run_unattended
from runner.core.messages import EFFECTS, Effects
from runner.core.spelling import nearest
from runner.tools.captured_output import PrintedOutput
from runner.tools.entry import ToolEntry, ToolSettings
from runner.tools.entry_capabilities import UNASKED, effects_note
from runner.tools.entry_schema import options_schema, shared, shorthand_schema, text
from runner.tools.open_tools import with_effects, with_entry_options
from runner.tools.protocols import Tool, ToolSource
from runner.tools.tool_kind import EntryProblem, NamedFile, Options, PathOption, SourceText, ToolKind, always
from runner.tools.toolbox import as_tool

_MAX_BYTES = 16 * 2**20

if TYPE_CHECKING:
    import ast


def _open(entry: ToolEntry, settings: ToolSettings) -> Sequence[Tool | ToolSource]:
    """The tool at `./FILE.py:NAME` or `package.module:NAME`: function, tool or class. Raises UsageError."""
    source, _, name = entry.options["function"].rpartition(":")
    _hold_to_consent(entry, settings)
    with PrintedOutput() as printed:
        if source.endswith(".py"):
            module = _module_of_file(entry.folder / source, entry, settings)
        else:
            module = _module_of_package(source, entry)
    if printed.text:
        settings.notify(f"{source} printed: {printed.text.rstrip()}")
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise UsageError(f"{source} has no {name!r}", where=entry.where, why=_callables_of(module))
        found = getattr(found, part)
    tool = with_entry_options(as_tool(found, where=entry.where), entry)
    if "effects" in entry.options and not isinstance(tool, ToolSource):
        return [tool]
    declared = _declared_effects(entry)
    if isinstance(tool, ToolSource) or tool.spec.effects != declared:
        return [with_effects(tool, entry.options.get("effects", KIND.effects))]
    return [tool]


def _hold_to_consent(entry: ToolEntry, settings: ToolSettings) -> None:
    """What is imported from the agent's folder, now or later, is what was consented to. Raises NeedsTrust."""
    if settings.trusted is not None:
        from runner.tools.trusted_imports import guard_imports  # lazy: only what was trusted imports anything

        settings.trusted.check(entry)
        guard_imports(entry.folder, settings.trusted.check_import)


def _module_of_file(path: Path, entry: ToolEntry, settings: ToolSettings) -> ModuleType:
    """The module of a file, under a name of its own; the same content is run once.

    The source itself is compiled: a stale or planted `.pyc` beside it is never used.
    """
    try:
        code = read_bounded(path, _MAX_BYTES)
    except OSError as error:
        raise UsageError(f"{path} cannot be read", where=entry.where, why=error.strerror or "") from None
    if settings.trusted is not None:
        settings.trusted.check_content(path, code, entry.where)
    name = "agent_run_tools_" + hashlib.blake2b(bytes(path.resolve()) + b"\0" + code, digest_size=8).hexdigest()
    if name not in sys.modules:
        module = ModuleType(name)
        module.__file__ = str(path)
        sys.modules[name] = module
        _, failure = run_unattended(lambda: exec(compile(code, str(path), "exec", dont_inherit=True), module.__dict__))
        if failure is not None:
            del sys.modules[name]
            raise _not_imported(str(path), failure, entry)
    return sys.modules[name]


def _module_of_package(name: str, entry: ToolEntry) -> ModuleType:
    module, error = run_unattended(lambda: import_module(name))
    if module is None or error is not None:
        raise _not_imported(name, error, entry)
    return module


def _not_imported(what: str, error: BaseException | None, entry: ToolEntry) -> AgentRunError:
    """Says in which line of the file it happened."""
    if isinstance(error, NeedsTrust):
        return error
    frames = [frame for frame in traceback.extract_tb(error.__traceback__ if error else None) if frame.filename == what]
    line = error.lineno if isinstance(error, SyntaxError) else frames[-1].lineno if frames else None
    why = f"{what}:{line}: " if line else ""
    return UsageError(f"{what} could not be imported", where=entry.where, why=f"{why}{type(error).__name__}: {error}")


def _callables_of(module: ModuleType) -> str:
    names = [name for name, thing in vars(module).items() if not name.startswith("_") and callable(thing)]
    return f"it has {', '.join(sorted(names)[:10])}" if names else "it defines nothing that could be called"


def _paths(entry: ToolEntry) -> Mapping[str, PathOption]:
    file = entry.options["function"].rpartition(":")[0]
    return {"function": PathOption(file, "file")} if file.endswith(".py") else {}


def _check(entry: ToolEntry, text_of: SourceText) -> Iterator[EntryProblem]:
    """Whether the file is Python and defines the function; it is read, never run."""
    if (found := text_of("function")) is None:
        return
    from runner.core.python_syntax import parse_python  # lazy: only a check of such an entry

    path, source = found
    file, _, function = entry.options["function"].rpartition(":")
    try:
        names = set(_defined(parse_python(source)))
    except SyntaxError as error:
        message = f"not valid Python: {error.msg}"
        yield EntryProblem((), message, file=path, line=error.lineno or 1, column=error.offset or 1)
        return
    except (MemoryError, RecursionError):
        yield EntryProblem(("function",), f"{file} is nested too deeply to be read")
        return
    if "*" not in names and function.partition(".")[0] not in names:
        yield EntryProblem(("function",), f"{file} defines no {function!r}", nearest(function, names))


def _defined(tree: ast.AST) -> Iterator[str]:
    """The names that a module's text may give; `*` when it cannot be told."""
    import ast  # lazy, as above

    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.partition(".")[0]


def _is_plain_function(entry: ToolEntry) -> bool:
    """A function that nothing decorates keeps its name; a class, or what a decorator makes of it, may have another."""
    import ast  # lazy: only where a transcript names a tool that no recording has

    from runner.core.python_syntax import parse_python

    file, _, function = entry.options["function"].rpartition(":")
    if "name" in entry.options:
        return True
    try:
        tree = parse_python(read_bounded(entry.folder / file, _MAX_BYTES))
    except (OSError, SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return any(node.name == function and not node.decorator_list for node in functions)


def _files(entry: ToolEntry) -> Iterator[NamedFile]:
    """The file, or where beside the agent the module and its packages may lie, and what these load from there."""
    from runner.tools.loaded_files import python_files, with_loaded_files  # lazy: only where trust is asked about

    module = str(entry.options["function"]).rpartition(":")[0]
    found = (entry.folder / module,) if module.endswith(".py") else python_files(entry.folder, module)
    for path in found:
        yield from map(NamedFile, with_loaded_files(path, (entry.folder.resolve(),)))


def _declared_effects(entry: ToolEntry) -> Effects | None:
    """What `@tool(effects=…)` says of the function in a file of the agent's folder, read off its text.

    Only what stands there plainly counts, because only that is part of what consent is asked for.
    """
    import ast  # lazy, as above

    from runner.core.python_syntax import parse_python

    file, _, function = str(entry.options["function"]).rpartition(":")
    if not file.endswith(".py"):
        return None
    try:
        tree = parse_python(read_bounded(entry.folder / file, _MAX_BYTES))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    declared: Effects | None = None
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function:
            called = [each for each in node.decorator_list if isinstance(each, ast.Call)]
            named = [each.value for call in called for each in call.keywords if each.arg == "effects"]
            values = [each.value for each in named if isinstance(each, ast.Constant) and each.value in EFFECTS]
            declared = values[0] if len(values) == 1 else None
    return declared


def _capabilities(entry: ToolEntry, folder: Path) -> Iterator[Capability]:
    note = effects_note(entry)
    if "effects" not in entry.options and (declared := _declared_effects(entry)) in UNASKED:
        note = f" (its code declares it as {declared}: not asked about each time)"
    yield Capability("import", f"{entry.options['function']}{note}", entry.where)


def _default_name(options: Options) -> str:
    return str(options["function"]).rpartition(":")[2].rpartition(".")[2]


_FUNCTION = text("./tools.py:function or package.module:function.", pattern="^[^:]+:[A-Za-z_][A-Za-z0-9_.]*$")

KIND = ToolKind(
    name="python",
    summary="A Python function; its schema comes from its signature and docstring.",
    schema=shorthand_schema(
        "./FILE.py:FUNCTION, package.module:FUNCTION, or a mapping",
        _FUNCTION,
        options_schema(
            "A Python function with a name or description of its own.",
            {
                "function": _FUNCTION,
                "name": shared("tool_name"),
                "description": text("What the model is told."),
                "effects": shared("effects"),
                "timeout": shared("timeout"),
            },
            ("function",),
        ),
    ),
    open=_open,
    shorthand="function",
    default_name=_default_name,
    paths=_paths,
    check=_check,
    capabilities=_capabilities,
    files=_files,
    imports=always,
    name_is_sure=_is_plain_function,
    shown_options=frozenset({"description"}),
)
