"""The files beside a script that it loads by name, read off its text: what it imports, requires or sources."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from runner.core.files import open_regular, read_bounded

_MAX_FILES = 200
_MAX_BYTES = 1_000_000
_NODE = re.compile(rb"""\b(?:require\s*\(|import\s*\(|from|import)\s*["'](\.{1,2}/[^"'\n]+)["']""")
_NODE_SUFFIXES = ("", ".js", ".mjs", ".cjs", ".json", ".ts", ".node", "/index.js")
_SHELL = re.compile(rb"""(?m)(?:^|[;&|])\s*(?:source|\.)\s+["']?([^\s"';&|]+)""")


def with_loaded_files(path: Path, roots: Sequence[Path] = ()) -> Iterator[Path]:
    """The file, and those that it loads from its own folder or from `roots`, and these in turn; each once."""
    waiting, seen = [path.resolve()], set[Path]()
    while waiting and len(seen) < _MAX_FILES:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            yield file
            waiting += _loaded(file, (file.parent, path.resolve().parent, *roots))


def python_files(folder: Path, module: str, *, main: bool = False) -> Iterator[Path]:
    """The files in which a dotted module of that name, and the packages around it, may lie below a folder."""
    from importlib.machinery import all_suffixes  # lazy: only for a file that imports

    names = module.split(".")
    for length in range(1, len(names) + 1):
        stem = folder.joinpath(*names[:length])
        found = [stem.with_name(stem.name + suffix) for suffix in all_suffixes()]
        found += [stem / f"__init__{suffix}" for suffix in all_suffixes()]
        found += [stem / "__main__.py"] if main else []
        yield from (path.resolve() for path in found if path.is_file())


def is_script(path: Path) -> bool:
    """It may be executed by its mode, or begins like a script."""
    try:
        if path.stat().st_mode & 0o111:
            return True
        with open_regular(path) as file:
            return file.read(2) == b"#!"
    except OSError:
        return False


def _loaded(file: Path, roots: Sequence[Path]) -> list[Path]:
    try:
        text = read_bounded(file, _MAX_BYTES)
        if file.suffix in (".py", ".pyw"):
            return list(_imported(file, text, roots))
        if file.suffix in (".js", ".mjs", ".cjs", ".ts"):
            names = [name.decode() + suffix for name in _NODE.findall(text) for suffix in _NODE_SUFFIXES]
            return list(_below(names, roots[:1]))
        return list(_below([name.decode() for name in _SHELL.findall(text)], roots)) if b"\0" not in text else []
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):  # what cannot be read loads nothing
        return []


def _below(names: Sequence[str], folders: Sequence[Path]) -> Iterator[Path]:
    paths = (folder / name for name in names for folder in dict.fromkeys(folders))
    return (path.resolve() for path in paths if path.is_file())


def _imported(file: Path, text: bytes, roots: Sequence[Path]) -> Iterator[Path]:
    import ast  # lazy, as above

    from runner.core.python_syntax import parse_python

    for node in ast.walk(parse_python(text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _found(alias.name, roots)
        elif isinstance(node, ast.ImportFrom):
            above = [file.parents[node.level - 1]] if 0 < node.level <= len(file.parents) else roots
            for alias in node.names:
                yield from _found(".".join(filter(None, (node.module, alias.name))), above)


def _found(module: str, folders: Sequence[Path]) -> Iterator[Path]:
    if all(part.isidentifier() for part in module.split(".")):
        yield from (path for folder in dict.fromkeys(folders) for path in python_files(folder, module))
