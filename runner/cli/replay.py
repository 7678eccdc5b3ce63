"""`agent-run replay`: transcripts against their recordings, offline; with --live against the model."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from runner.transcripts.outcome import Outcome
    from runner.transcripts.recording.live_run import LiveOptions
    from runner.transcripts.suite.run import Choice


@click.command(
    epilog="Exit codes: 0 all hold, 1 a failure, 2 a bad file, 3 stale or missing, 4 gateway, 5 nothing ran."
)
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-j", "--jobs", type=click.IntRange(1), default=1, help="Processes to replay in.")
@click.option("--only", multiple=True, metavar="WHAT", help="tag:NAME, a turn's id, or a piece of the path.")
@click.option("--failed", is_flag=True, help="Only the cells that failed last time.")
@click.option("--fail-fast", is_flag=True, help="Stop after the first bad cell.")
@click.option("--twice", is_flag=True, help="Replay each cell twice: both must give the same events.")
@click.option("--chunking", default="recorded", metavar="MODE", help="recorded, whole, char or fuzz:SEED.")
@click.option("--model", default="", metavar="GATEWAY/MODEL", help="Only this model's recording.")
@click.option("--live", is_flag=True, help="Ask the model again instead of its recording.")
@click.option("--as-recorded", is_flag=True, help="Live: send the recorded prompt, to tell which side drifted.")
@click.option("--allow-writes", is_flag=True, help="Live: let tools write and execute.")
@click.option("--accept-stale", metavar="PARTS", default="", help="Restamp recordings in which only these changed.")
@click.option("--update", metavar="KINDS", default="", help="create, recording, expect, restamp, prune.")
@click.option("--review", is_flag=True, help="Look at each fresh recording before it is kept.")
@click.option("--report", "reports", multiple=True, metavar="FORMAT[=FILE]", help="console, junit, github, json, tap.")
@click.option("--trust", is_flag=True, help="Consent, this once, to what the agents and checks can execute.")
def replay(paths: tuple[Path, ...], **options: Any) -> int:
    """Replay the transcripts in PATHS, files or folders, against their recordings.

    Nothing is sent to a model, no key is needed, and no tool with effects runs.
    """
    from runner.cli.report_output import Reports
    from runner.transcripts.suite.run import find_transcripts

    reports = Reports.of(options["reports"])
    choice = _choice(options)
    files = find_transcripts(paths)
    started = time.monotonic()
    outcomes = _outcomes(files, choice, options)
    if options["update"] or options["accept_stale"]:
        outcomes = _updated(files, choice, options, list(outcomes))
    kept = reports.stream(outcomes, lambda: time.monotonic() - started)
    return _end(kept, files)


def _choice(options: dict[str, Any]) -> Choice:
    from runner.core.errors import UsageError
    from runner.transcripts.chunking import MODES, is_mode
    from runner.transcripts.suite.last_failures import failed_before
    from runner.transcripts.suite.run import Choice

    if options["as_recorded"] and not options["live"]:
        raise UsageError("--as-recorded belongs to --live", fix="replay --live --as-recorded, or neither")
    if not is_mode(options["chunking"]):
        raise UsageError(f"--chunking knows no {options['chunking']!r}", fix=f"one of {', '.join(MODES)}")
    cells = failed_before() if options["failed"] else None
    if options["failed"] and cells is None:
        print("--failed: no failures are remembered here, so all of them run", file=sys.stderr)
    return Choice(
        options["only"],
        cells,
        options["model"],
        options["chunking"],
        options["twice"],
        options["fail_fast"],
        options["trust"],
    )


def _outcomes(files: Sequence[Path], choice: Choice, options: dict[str, Any]) -> Iterable[Outcome]:
    from runner.transcripts.suite.run import run

    if options["live"]:
        from runner.transcripts.suite.live import run_live

        return run_live(files, choice, _live_options(options), as_recorded=options["as_recorded"])
    return run(files, choice, jobs=options["jobs"])


def _updated(
    files: Sequence[Path], choice: Choice, options: dict[str, Any], outcomes: Sequence[Outcome]
) -> Iterable[Outcome]:
    """Renew what the outcomes call for, and replay again."""
    from runner.transcripts.recording.recording_writer import refuse_in_ci
    from runner.transcripts.recording.updates import Updates

    refuse_in_ci()
    updates = Updates(
        _words(options["update"]),
        _live_options(options),
        accept=frozenset(_words(options["accept_stale"])),
        trust=options["trust"],
        review=_review if options["review"] else None,
    )
    for outcome in outcomes:
        updates.apply(outcome)
    updates.prune(files)
    return _outcomes(files, choice, options)


def _live_options(options: dict[str, Any]) -> LiveOptions:
    from runner.transcripts.recording.live_run import LiveOptions

    return LiveOptions(allow_writes=options["allow_writes"], notify=_notify)


def _review(*shown: Any) -> bool:
    from runner.cli.review import review

    return review(*shown)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _notify(text: str) -> None:
    print(text, file=sys.stderr)


def _end(outcomes: Sequence[Outcome], files: Sequence[Path]) -> int:
    from runner.transcripts.outcome import exit_code
    from runner.transcripts.suite.last_failures import remember

    remember(outcomes)
    if not outcomes:
        print(
            "nothing ran: no transcript was found, or none was chosen" if files else "no transcripts found",
            file=sys.stderr,
        )
    return exit_code(outcomes)
