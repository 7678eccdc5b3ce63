"""What installed packages offer under an entry point group: tools and gateways that are not ours."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint, EntryPoints

TOOLS = "agent_run.tools"
GATEWAYS = "agent_run.gateways"


def find_entry_point(group: str, name: str) -> EntryPoint | None:
    """The first entry point of that name, not loaded; None if no installed package has one."""
    return next((point for point in _offered(group, tuple(sys.path)) if point.name == name), None)


@lru_cache(maxsize=4)
def _offered(group: str, search_path: tuple[str, ...]) -> EntryPoints:
    """All of a group: to read what each installed package says takes long, and a file may have many names."""
    from importlib.metadata import entry_points  # lazy: 60 ms, only for a name that the catalogues lack

    return entry_points(group=group)
