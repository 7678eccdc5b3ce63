"""Which cells failed in the last run here, so that `--failed` can run them alone."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from runner.core.files import write_public
from runner.transcripts.outcome import Outcome

FILE = Path(".agent-run", "failed.json")


def failed_before() -> frozenset[str] | None:
    """The names of the cells that failed; None if nothing is remembered."""
    try:
        names = json.loads(FILE.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return frozenset(map(str, names)) if isinstance(names, list) else None


def remember(outcomes: Iterable[Outcome]) -> None:
    """Note what failed and forget what no longer does; cells that did not run stay as they were."""
    ran = {outcome.name: outcome.verdict for outcome in outcomes}
    before = failed_before()
    bad = {name for name, verdict in ran.items() if verdict not in ("pass", "not-run")}
    now = sorted(bad | ((before or frozenset()) - ran.keys()))
    if not now and before is None:
        return
    try:
        write_public(FILE, json.dumps(now, indent=1))
    except OSError:
        return
