"""A turn may begin while another thread is still importing asyncio, as a server's does that starts."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from runner.engine import open_turn


def test_a_half_imported_asyncio_has_no_running_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncio", ModuleType("asyncio"))
    assert open_turn._busy_timeout() == open_turn.BUSY_TIMEOUT
