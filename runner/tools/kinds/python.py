"""`python:`, a function of the agent's own folder or of an installed package as a tool. Opening it runs that code."""

from __future__ import annotations

import hashlib
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from runner.core.errors import UsageError
from runner.tools.captured_output import Printed
from runner.tools.entry import ToolEntry, ToolSettings
from runner.tools.foreign_code import run_foreign
from runner.tools.open_tools import adjusted
from runner.tools.protocols import Source, Tool
from runner.tools.toolbox import as_tool


def open_python(entry: ToolEntry, settings: ToolSettings) -> Sequence[Tool | Source]:
    """The tool at `./FILE.py:NAME` or `package.module:NAME`: function, tool or class. Raises UsageError."""
    place, _, name = entry.options["function"].rpartition(":")
    with Printed() as printed:
        module = _file(entry.base / place, entry) if place.endswith(".py") else _package(place, entry)
    if printed.text:
        settings.notify(f"{place} printed: {printed.text.rstrip()}")
    thing: Any = module
    for part in name.split("."):
        if not hasattr(thing, part):
            raise UsageError(f"{place} has no {name!r}", where=entry.where, why=_known(module))
        thing = getattr(thing, part)
    return [adjusted(as_tool(thing, where=entry.where), entry)]


def _file(path: Path, entry: ToolEntry) -> ModuleType:
    """The module of a file, under a name of its own; the same content is run once.

    The source itself is compiled: a stale or planted `.pyc` beside it is never used.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read", where=entry.where, why=error.strerror or "") from None
    name = "agent_run_tools_" + hashlib.blake2b(bytes(path.resolve()) + b"\0" + source, digest_size=8).hexdigest()
    if name not in sys.modules:
        module = ModuleType(name)
        module.__file__ = str(path)
        sys.modules[name] = module
        _, failure = run_foreign(lambda: exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__))
        if failure is not None:
            del sys.modules[name]
            raise _not_imported(str(path), failure, entry)
    return sys.modules[name]


def _package(name: str, entry: ToolEntry) -> ModuleType:
    module, error = run_foreign(lambda: import_module(name))
    if module is None or error is not None:
        raise _not_imported(name, error, entry)
    return module


def _not_imported(what: str, error: BaseException | None, entry: ToolEntry) -> UsageError:
    """Says in which line of the file it happened."""
    frames = [each for each in traceback.extract_tb(error.__traceback__ if error else None) if each.filename == what]
    line = error.lineno if isinstance(error, SyntaxError) else frames[-1].lineno if frames else None
    why = f"{what}:{line}: " if line else ""
    return UsageError(f"{what} could not be imported", where=entry.where, why=f"{why}{type(error).__name__}: {error}")


def _known(module: ModuleType) -> str:
    names = [name for name, thing in vars(module).items() if not name.startswith("_") and callable(thing)]
    return f"it has {', '.join(sorted(names)[:10])}" if names else "it defines nothing that could be called"
