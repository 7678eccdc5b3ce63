"""Which cells failed in the last run here, so that `--failed` can run them alone."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from runner.core.files import read_text_bounded, write_in_own_folder
from runner.core.secrets import redact_known
from runner.transcripts.outcome import Outcome

FILE = Path(".agent-run", "failed.json")
_MAX_BYTES = 8_000_000


def load_failures() -> frozenset[str] | None:
    """The names of the cells that failed, without secrets; None if nothing is remembered."""
    try:
        names = json.loads(read_text_bounded(FILE, _MAX_BYTES))
    except (OSError, ValueError):
        return None
    return frozenset(map(str, names)) if isinstance(names, list) else None


def save_failures(outcomes: Sequence[Outcome]) -> None:
    """Add the cells that failed and drop those that no longer do; cells that did not run stay as they were.

    A file that cannot be written is no error.
    """
    before = load_failures()
    if before is None and not any(outcome.is_bad for outcome in outcomes):
        return
    bad = {remembered_name(outcome.name): outcome.is_bad for outcome in outcomes}
    paths = {remembered_name(outcome.path) for outcome in outcomes}
    names = sorted({name for name in bad if bad[name]} | ((before or frozenset()) - bad.keys() - paths))
    try:
        write_in_own_folder(FILE, json.dumps(names, indent=1))
    except OSError:
        return


def remembered_name(name: str) -> str:
    """A cell or a file by the name that is written down."""
    return redact_known(name, os.environ)
