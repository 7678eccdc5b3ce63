"""The entries under `tools:` as declarations, checked without running or importing anything that they name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from runner.config.diagnostics import Diagnostic, nearest
from runner.config.draft import Draft
from runner.config.validation.checks import offered, schema_diagnostics
from runner.config.yaml.document import NodePath
from runner.config.yaml.parser import read_text
from runner.core.errors import ConfigError
from runner.tools import BUILT_INS
from runner.tools.entry import ToolEntry
from runner.tools.parameters import places

FILE_KINDS = frozenset({"files", "python", "command", "http", "openapi", "mcp", "agent"})
_SHORT = {"python": "function", "agent": "file"}
_GROUPS = frozenset({"files", "openapi", "mcp"})
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def declarations(draft: Draft) -> tuple[list[ToolEntry], list[Diagnostic]]:
    """What each sound entry declares, and what is wrong with any."""
    found: dict[int, ToolEntry] = {}
    diagnostics: list[Diagnostic] = []
    for index, entry in enumerate(draft.value.get("tools") or ()):
        if draft.sound("tools", index):
            declared = _declared(draft, index, entry)
            diagnostics += _wrong(draft, declared, ("tools", index))
            found[index] = declared
    diagnostics += _twice(draft, found)
    return list(found.values()), diagnostics


def _declared(draft: Draft, index: int, entry: str | Mapping[str, Any]) -> ToolEntry:
    where, base = str(draft.location("tools", index)), draft.folder(("tools", index))
    if isinstance(entry, str):
        return ToolEntry("builtin", entry, {}, where, base)
    kind, given = next(iter(entry.items()))
    if kind in BUILT_INS:
        return ToolEntry("builtin", kind, given, where, base)
    options = {_SHORT[kind]: given} if isinstance(given, str) else given
    return ToolEntry(kind, options.get("name") or _own_name(kind, options), options, where, base)


def _own_name(kind: str, options: Mapping[str, Any]) -> str:
    """The name of a tool that is given none."""
    if kind == "python":
        return str(options["function"]).rpartition(":")[2].rpartition(".")[2]
    if kind == "agent":
        return re.sub(r"[^A-Za-z0-9_-]+", "_", str(options["file"]).rpartition("/")[2].partition(".")[0]) or "agent"
    return kind


def _wrong(draft: Draft, declared: ToolEntry, path: NodePath) -> Iterator[Diagnostic]:
    kind, options = declared.kind, declared.options
    if kind == "builtin":
        yield from _unknown(draft, declared.name, path)
        return
    short = not isinstance(draft.value["tools"][path[1]][kind], dict)
    inner = (*path, kind)
    places: list[tuple[NodePath, str, str]] = []
    if kind not in _GROUPS and not _NAME.fullmatch(declared.name):
        yield draft.diagnostic(inner, f"{declared.name!r} cannot be a tool's name", "give it one with name:")
    if kind == "python":
        yield from _python(draft, options["function"], inner if short else (*inner, "function"))
    elif kind == "agent":
        places.append((inner if short else (*inner, "file"), options["file"], "file"))
    elif kind == "openapi":
        places.append(((*inner, "spec"), options["spec"], "file"))
    elif kind == "files":  # a folder that may be written can be made when it is needed
        places.append(((*inner, "root"), options["root"], "" if options.get("write") else "folder"))
    elif kind == "mcp" and "command" in options and "url" in options:
        yield draft.diagnostic((*inner, "url"), "command: starts a server, url: reaches one", "keep one", at_key=True)
    if "cwd" in options:
        places.append(((*inner, "cwd"), options["cwd"], "folder"))
    yield from (wrong for at, named, wanted in places if (wrong := draft.misplaced(at, named, wanted=wanted)))
    if "parameters" in options or kind in ("command", "http"):
        yield from _parameters(draft, options, inner)


def _unknown(draft: Draft, name: str, path: NodePath) -> Iterator[Diagnostic]:
    if name in FILE_KINDS:
        yield draft.diagnostic(path, f"{name} needs its options", f"write {name}: {{…}}")
    elif name not in BUILT_INS and not offered("agent_run.tools", name):
        hint = nearest(name, {*BUILT_INS, *FILE_KINDS}) or f"built-ins: {', '.join(BUILT_INS)}"
        yield draft.diagnostic(path, f"no tool is named {name!r}", hint)


def _python(draft: Draft, reference: str, path: NodePath) -> Iterator[Diagnostic]:
    file, _, function = reference.rpartition(":")
    if not file.endswith(".py"):
        return
    if diagnostic := draft.misplaced(path, file, wanted="file"):
        yield diagnostic
        return
    import ast  # lazy: the file is read, never run

    shown = draft.file(path, file)
    try:
        tree = ast.parse(read_text(shown))
    except ConfigError as error:
        yield from error.problems
        return
    except SyntaxError as error:
        yield Diagnostic(str(shown), error.lineno or 1, error.offset or 1, f"not valid Python: {error.msg}")
        return
    except (MemoryError, RecursionError):
        yield draft.diagnostic(path, f"{file} is nested too deeply to be read")
        return
    names = set(_defined(tree))
    if "*" not in names and function.partition(".")[0] not in names:
        yield draft.diagnostic(path, f"{file} defines no {function!r}", nearest(function, names))


def _defined(tree: Any) -> Iterator[str]:
    """The names that a module's text may give; `*` when it cannot be told."""
    import ast  # lazy

    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.partition(".")[0]


def _parameters(draft: Draft, options: Mapping[str, Any], path: NodePath) -> Iterator[Diagnostic]:
    parameters = options.get("parameters", {})
    for name, schema in parameters.items():
        yield from schema_diagnostics(draft, (*path, "parameters", name), schema)
    templates: list[tuple[NodePath, Any]] = [(("run", at), text) for at, text in enumerate(options.get("run", ()))]
    templates += [((key,), options[key]) for key in ("stdin", "url", "query", "headers", "body") if key in options]
    used: set[str] = set()
    for at, template in templates:
        for name in places(template):
            used.add(name)
            if at == ("run", 0):
                yield draft.diagnostic((*path, *at), "the program itself may not be chosen by a parameter")
            elif name not in parameters:
                yield draft.diagnostic((*path, *at), f"no parameter is named {name!r}", nearest(name, parameters))
    for name in parameters.keys() - used:
        yield draft.diagnostic((*path, "parameters", name), "no place in the tool uses this parameter", at_key=True)


def _twice(draft: Draft, found: Mapping[int, ToolEntry]) -> Iterator[Diagnostic]:
    first: dict[str, int] = {}
    for index, declared in found.items():
        if declared.name in first and not (declared.kind == "openapi" and "name" not in declared.options):
            where = draft.location("tools", first[declared.name])
            yield draft.diagnostic(("tools", index), f"a second tool named {declared.name!r}", f"the first: {where}")
        first.setdefault(declared.name, index)
