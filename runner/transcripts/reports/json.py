"""The JSON report: one object, in a form that `report` numbers."""

from __future__ import annotations

import json

from runner import __version__
from runner.core.sanitize import escape_json
from runner.transcripts.exit_codes import exit_code
from runner.transcripts.reports import SuiteResult

FORMAT = 1


def render(run: SuiteResult) -> str:
    """The whole report."""
    report = {
        "report": FORMAT,
        "version": __version__,
        "exit_code": exit_code(run.outcomes),
        "seconds": round(run.seconds, 6),
        "counts": dict(run.counts),
        "cells": [outcome.to_dict() for outcome in run.outcomes],
    }
    return escape_json(json.dumps(report, indent=2, ensure_ascii=False)) + "\n"
