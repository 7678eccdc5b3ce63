"""The console report: one line when all is well; else the cause first, with what was wanted and what came."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from runner.core.sanitize import escape_line
from runner.core.spelling import counted
from runner.transcripts.outcome import Change, Finding, Outcome
from runner.transcripts.reports import SuiteResult

_COLOURS: Mapping[str, str] = {
    "pass": "32",
    "fail": "31;1",
    "error": "31;1",
    "tool-drift": "33;1",
    "drift": "33",
    "stale": "33;1",
    "missing": "33;1",
    "not-run": "36",
}
Paint = Callable[[str, str], str]

_LINES: Mapping[str, str] = {"-": "31", "+": "32", "!": "33"}
_PARTS = ("system", "tools", "options", "messages")


def render(run: SuiteResult) -> str:
    """The whole report."""
    paint = _painted if run.colour else _unpainted
    blocks = [block for outcome in run.outcomes for block in _cell(outcome, paint)]
    return "\n".join([*blocks, _summary(run, paint)]) + "\n"


def _cell(outcome: Outcome, paint: Paint) -> Iterator[str]:
    if outcome.verdict == "missing":
        yield from _missing(outcome, paint)
    elif outcome.changes:
        yield from _stale(outcome, paint)
    for finding in outcome.findings:
        if finding.level != "note" or outcome.verdict == "not-run":
            yield from _finding(finding, outcome, paint)


def _finding(finding: Finding, outcome: Outcome, paint: Paint) -> Iterator[str]:
    word = {"fail": "FAIL", "drift": "DRIFT", "warn": "WARN", "info": "INFO", "note": "NOT RUN"}[finding.level]
    if outcome.exit_code and finding.level == "fail":
        word = "ERROR"
    trail = " › ".join(filter(None, (str(finding.location), finding.turn, finding.kind)))
    colour = {"FAIL": "fail", "ERROR": "error", "DRIFT": "tool-drift"}.get(word, "not-run")
    cell = outcome.recording if str(finding.location.path) == outcome.path else outcome.name
    yield f"{_label(word, colour, paint)}{escape_line(f'{trail}   {cell}'.rstrip())}"
    yield from (f"  {escape_line(line)}" for line in finding.what.splitlines())
    yield from _diff(finding.diff, paint)
    yield ""


def _label(word: str, verdict: str, paint: Paint) -> str:
    """The first word of a cell or finding, in a column of its own."""
    return paint(f"{word:<6} ", _COLOURS[verdict])


def _missing(outcome: Outcome, paint: Paint) -> Iterator[str]:
    yield f"{_label('MISSING', 'missing', paint)}{escape_line(f'{outcome.path}   {outcome.recording}')}"
    missing = [finding for finding in outcome.findings if finding.kind == "missing"]
    yield from (f"  {escape_line(line)}" for finding in missing for line in finding.what.splitlines())
    yield f"Nothing was sent to a model. Next:  {escape_line(outcome.missing)}"
    yield ""


def _stale(outcome: Outcome, paint: Paint) -> Iterator[str]:
    first = outcome.changes[0]
    when = f"recorded {outcome.recorded[:10]} " if outcome.recorded else ""
    word = "STALE" if outcome.verdict == "stale" else "stale"
    trail = (
        f"{first.location} › {first.turn} › reply {first.reply}" if first.reply else f"{first.location} › {first.turn}"
    )
    yield f"{_label(word, 'stale', paint)}{escape_line(f'{trail}   {when}{outcome.recording}')}"
    for change in outcome.changes:
        yield from _change(change, paint)
    changed = {change.component for change in outcome.changes}
    same = [f"{part} same" for part in _PARTS if part not in changed]
    if same:
        yield "  " + " · ".join(same) + (f" ({outcome.messages})" if "messages" not in changed else "")
    yield f"  expectations {outcome.held} of {outcome.judged} hold on the recorded answers"
    accept = ",".join(change.component for change in outcome.changes if not change.warns)
    path = escape_line(outcome.path)
    yield f"Nothing was sent to a model. Next:  record {path} · replay --live {path}" + (
        f" · replay --accept-stale={accept} {path}" if accept else ""
    )
    yield ""


def _change(change: Change, paint: Paint) -> Iterator[str]:
    where = f"   ({escape_line(change.where)})" if change.where else ""
    label = "changed, only told" if change.warns else "CHANGED"
    yield f"  {change.component:<8} {paint(label, _COLOURS['stale'])}{where}"
    yield from _diff(change.diff, paint)


def _diff(diff: str, paint: Paint) -> Iterator[str]:
    for line in diff.splitlines():
        yield "    " + paint(escape_line(line), _LINES.get(line[:1], ""))


def _summary(run: SuiteResult, paint: Paint) -> str:
    counts = [paint(f"{count} {verdict}", _COLOURS[verdict]) for verdict, count in run.counts.items()]
    judged = sum(outcome.judged for outcome in run.outcomes)
    notes = sum(finding.level == "note" for outcome in run.outcomes for finding in outcome.findings)
    facts = [f"{counted(judged, 'expectation')} judged"]
    if notes:
        facts.append(f"{notes} not run")
    return f"{' · '.join(counts) or 'nothing ran'}   {', '.join(facts)}, {run.seconds:.2f} s"


def _unpainted(text: str, code: str) -> str:
    return text


def _painted(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if code else text
