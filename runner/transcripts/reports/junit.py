"""JUnit's XML: a suite a file, a case a cell; staleness and drift are failure types of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from xml.sax.saxutils import escape, quoteattr

from runner.transcripts.outcome import Outcome
from runner.transcripts.reports import SuiteResult

# XML 1.0 has no way at all to say some of these, and terminals and readers obey the others.
_UNSAYABLE = re.compile(
    r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)


def render(run: SuiteResult) -> str:
    """The whole report."""
    suites = [(path, list(cells)) for path, cells in groupby(run.outcomes, key=lambda outcome: outcome.path)]
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="agent-run" {_totals(run.outcomes)} time="{run.seconds:.3f}">',
    ]
    for path, cells in suites:
        seconds = sum(cell.seconds for cell in cells)
        lines.append(f'  <testsuite name={_attribute(path)} {_totals(cells)} time="{seconds:.3f}">')
        lines += [line for cell in cells for line in _case(cell)]
        lines.append("  </testsuite>")
    return "\n".join([*lines, "</testsuites>", ""])


def _totals(cells: Sequence[Outcome]) -> str:
    verdicts = [cell.verdict for cell in cells]
    errors, skipped = verdicts.count("error"), verdicts.count("not-run")
    failures = sum(cell.is_bad for cell in cells) - errors
    return f'tests="{len(verdicts)}" failures="{failures}" errors="{errors}" skipped="{skipped}"'


def _case(cell: Outcome) -> list[str]:
    head = (
        f"    <testcase classname={_attribute(cell.path)} name={_attribute(cell.recording)} "
        f'file={_attribute(cell.path)} line="{cell.location.line}" time="{cell.seconds:.3f}"'
    )
    if cell.verdict == "pass":
        return [head + "/>"]
    if cell.verdict == "not-run":
        return [head + ">", '      <skipped message="nothing was judged"/>', "    </testcase>"]
    description = _description(cell)
    if not cell.is_bad:
        return [head + ">", f"      <system-out>{_escape(description)}</system-out>", "    </testcase>"]
    tag = "error" if cell.verdict == "error" else "failure"
    message = description.splitlines()[0] if description else cell.verdict
    text = _escape(description)
    body = f"      <{tag} type={_attribute(cell.verdict)} message={_attribute(message)}>{text}</{tag}>"
    return [head + ">", body, "    </testcase>"]


def _description(cell: Outcome) -> str:
    parts = [
        f"{finding.location} {finding.turn} {finding.kind}: {finding.what}\n{finding.diff}"
        for finding in cell.findings
        if finding.is_reported
    ]
    parts += [f"{change.component} changed {change.where}\n{change.diff}" for change in cell.changes]
    return "\n".join(part.strip() for part in parts)


def _attribute(text: str) -> str:
    return quoteattr(_sayable(text)).replace("##[", "&#35;#[")


def _escape(text: str) -> str:
    """The text of an element, in which GitHub finds no command where the report is printed in a job's log."""
    text = escape(_sayable(text)).replace("##[", "&#35;#[")
    return re.sub(r"(?m)^(\s*)::", r"\1&#58;:", text)


def _sayable(text: str) -> str:
    return _UNSAYABLE.sub("\N{REPLACEMENT CHARACTER}", text)
