"""No test of trust sees what the machine's user trusts."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own folders, away from the real ones."""
    for kind in ("CONFIG", "STATE"):
        monkeypatch.setenv(f"AGENT_RUN_{kind}_HOME", str(tmp_path / "user" / kind))
    return tmp_path / "user"
