"""What a folder is searched for: the files in it and below, by one rule for all commands."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from runner.config.paths import real_path

Tell = Callable[[str, str], None]
"""Is given a path that cannot be searched, and why."""

_LEFT_OUT = "node_modules"


def files_below(top: Path, tell: Tell) -> Iterator[Path]:
    """The files of a folder and those below, in order; hidden ones and `node_modules` are left out.

    Links are followed, each real folder once, so that a ring of links ends. One that leads nowhere is a file, which
    cannot be read.
    """
    root = real_path(top)
    seen: set[Path] = set()

    def failed(error: OSError) -> None:
        tell(str(error.filename), f"not searched: {(error.strerror or str(error)).lower()}")

    for folder, folders, names in os.walk(top, followlinks=True, onerror=failed):
        here = real_path(Path(folder))
        if here in seen or (here != root and root.is_relative_to(here)):
            folders.clear()
            continue
        seen.add(here)
        # Links last: what is reached in two ways is named by the way without one.
        folders[:] = sorted(
            (name for name in folders if not name.startswith(".") and name != _LEFT_OUT),
            key=lambda name: (Path(folder, name).is_symlink(), name),
        )
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(folder, name)
