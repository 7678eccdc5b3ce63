"""No test of this room sees the machine's own configuration."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def config_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for the user's own config.yaml."""
    home = tmp_path_factory.mktemp("config-home")
    monkeypatch.setenv("AGENT_RUN_CONFIG_HOME", str(home))
    return home
