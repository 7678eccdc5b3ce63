"""Imports from an agent's folder: from the source alone, whose bytes are those that the user consented to."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
)
from pathlib import Path
from types import CodeType

Check = Callable[[Path, bytes], None]
"""Gets a file and what was read of it. Raises NeedsTrust for what is not as it was."""

_checks: dict[Path, Check] = {}


def guard_imports(folder: Path, check: Check) -> None:
    """Hold each Python file below the folder to `check` from now on, however it is imported.

    A compiled file that lies beside it is never used: nobody has seen what is in it.
    """
    if _path_hook not in sys.path_hooks:
        sys.path_hooks.insert(0, _path_hook)
    _checks[folder.resolve()] = check
    for path in [path for path in sys.path_importer_cache if _check_of(Path(path)) is not None]:
        del sys.path_importer_cache[path]


def _check_of(path: Path) -> Check | None:
    try:
        real = path.resolve()
    except (OSError, ValueError, RuntimeError):
        return None
    return next((check for folder, check in _checks.items() if real.is_relative_to(folder)), None)


def _path_hook(path: str) -> FileFinder:
    if not Path(path).is_dir() or _check_of(Path(path)) is None:
        raise ImportError("not a folder of a trusted agent", path=path)
    return FileFinder(path, (ExtensionFileLoader, EXTENSION_SUFFIXES), (_CheckedLoader, SOURCE_SUFFIXES))


class _CheckedLoader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        path = Path(self.get_filename(fullname))
        source = self.get_data(str(path))
        if (check := _check_of(path)) is not None:
            check(path, source)
        code: CodeType = self.source_to_code(source, str(path))
        return code
