"""What installed packages offer under an entry point group: tools and gateways that are not ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

TOOLS = "agent_run.tools"
GATEWAYS = "agent_run.gateways"


def find_entry_point(group: str, name: str) -> EntryPoint | None:
    """The first entry point of that name, not loaded; None if no installed package has one."""
    from importlib.metadata import entry_points  # lazy: 60 ms, only for a name that the catalogues lack

    return next(iter(entry_points(group=group, name=name)), None)
