"""The user's own folders for agent-run: configuration, state that outlives a run, and cache."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def config_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Where the user's configuration is: AGENT_RUN_CONFIG_HOME, else the platform's own folder."""
    return _named("CONFIG", environ) or _xdg("CONFIG", "~/.config", environ) or _platform("user_config_path")


def state_folder() -> Path:
    """Where consent, pinned tools and long outputs are kept: AGENT_RUN_STATE_HOME, else the platform's own folder."""
    return _named("STATE") or _xdg("STATE", "~/.local/state") or _platform("user_state_path")


def cache_folder() -> Path:
    """Where weights are kept: AGENT_RUN_CACHE_HOME, else the platform's own folder."""
    return _named("CACHE") or _xdg("CACHE", "~/.cache") or _platform("user_cache_path", appauthor=False)


def _named(kind: str, environ: Mapping[str, str] | None = None) -> Path | None:
    named = (os.environ if environ is None else environ).get(f"AGENT_RUN_{kind}_HOME")
    return Path(named).expanduser() if named else None


def _xdg(kind: str, default: str, environ: Mapping[str, str] | None = None) -> Path | None:
    """What platformdirs would say on Linux, without the tenth of a start that its import costs."""
    if sys.platform != "linux":
        return None
    named = (os.environ if environ is None else environ).get(f"XDG_{kind}_HOME", "").strip()
    return (Path(named) if named else Path(default).expanduser()) / "agent-run"


def _platform(function: str, **options: bool) -> Path:
    import platformdirs  # lazy: not needed on Linux, as above

    folder: Path = getattr(platformdirs, function)("agent-run", **options)
    return folder
