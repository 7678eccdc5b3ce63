"""Python modules of checks: compiled with their asserts, whatever the interpreter's options, and kept apart by folder.

A check imports what lies beside its file, as a script does; modules of the standard library are never taken from there.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

from runner.core.files import read_bounded

_MAX_BYTES = 16 * 2**20
_NEVER_OURS = sys.stdlib_module_names | {"runner"}
_LOADED: dict[Path, dict[str, ModuleType]] = {}
"""The modules that the checks of a folder have imported so far."""


class _SourceLoader(SourceFileLoader):
    """Compiles the source itself, with its asserts: no stale or planted `.pyc` is used, and none is written."""

    source = b""

    def get_code(self, fullname: str) -> CodeType:
        self.source = _read(self.path)
        code: CodeType = compile(self.source, self.path, "exec", dont_inherit=True, optimize=0)
        return code

    def is_current(self) -> bool:
        """The file still holds what was loaded."""
        try:
            return _read(self.path) == self.source
        except OSError:
            return False


class _FolderFinder(MetaPathFinder):
    """Finds the modules of one folder, and those of the packages in it."""

    def __init__(self, folder: Path, names: frozenset[str]) -> None:
        self._folder = folder
        self._names = names

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in self._names:
            return None
        for entry in path if path is not None else (str(self._folder),):
            if spec := FileFinder(entry, (_SourceLoader, [".py"])).find_spec(fullname):
                return spec
        return None


@contextmanager
def check_module(path: Path) -> Iterator[ModuleType]:
    """The module of a file, imported once as long as no file changes; imports find what lies beside it meanwhile.

    Raises what the import raises.
    """
    folder = path.parent
    own_name = "agent_run_checks_" + hashlib.blake2b(bytes(path), digest_size=8).hexdigest()
    names = frozenset((*_module_names(folder), own_name))
    modules = _LOADED.setdefault(folder, {})
    if not all(_is_current(module) for module in modules.values()):
        modules.clear()
    hidden = _taken_out(names)
    finder = _FolderFinder(folder, names)
    sys.modules.update(modules)
    sys.meta_path.insert(0, finder)
    try:
        yield sys.modules.get(own_name) or _imported(own_name, path)
    finally:
        sys.meta_path.remove(finder)
        modules.update(_taken_out(names))
        sys.modules.update(hidden)


def _imported(name: str, path: Path) -> ModuleType:
    spec = spec_from_file_location(name, path, loader=_SourceLoader(name, str(path)))
    assert spec is not None and spec.loader is not None  # both were given
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _module_names(folder: Path) -> Iterator[str]:
    """The modules and packages that lie in the folder."""
    for entry in folder.iterdir():
        if (entry.suffix == ".py" or (entry.is_dir() and entry.name.isidentifier())) and entry.stem not in _NEVER_OURS:
            yield entry.stem


def _taken_out(names: frozenset[str]) -> dict[str, ModuleType]:
    """The imported modules of these names, and of the packages of these names, which are no longer imported."""
    return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in names}


def _is_current(module: ModuleType) -> bool:
    loader = getattr(module.__spec__, "loader", None)
    return not isinstance(loader, _SourceLoader) or loader.is_current()


def _read(path: str) -> bytes:
    return read_bounded(path, _MAX_BYTES)
