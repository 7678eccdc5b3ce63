"""`agent-run replay`: transcripts against their recordings, offline; with --live against the model."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from runner.transcripts.reports import FORMATS


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
@click.option("--report", "reports", multiple=True, metavar="FORMAT[=FILE]", help=f"{', '.join(FORMATS)}.")
@click.option("--trust", is_flag=True, help="Consent, this once, to what the agents and checks can execute.")
def replay(paths: tuple[Path, ...], **options: Any) -> int:
    """Replay the transcripts in PATHS, files or folders, against their recordings.

    Nothing is sent to a model, no key is needed, and no tool with effects runs.
    """
    from runner.cli.report_output import Reports, print_line, reviewer  # lazy, as the next: `--help` needs none of it
    from runner.commands.replay import ReplayOptions
    from runner.commands.replay import replay as replay_transcripts
    from runner.transcripts.exit_codes import exit_code
    from runner.transcripts.suite.selection import Selection

    reports = Reports.of(options["reports"])
    started = time.monotonic()
    selection = Selection(
        options["only"],
        None,
        options["model"],
        options["chunking"],
        options["twice"],
        options["fail_fast"],
        options["trust"],
    )
    replay_options = ReplayOptions(
        selection,
        options["failed"],
        options["live"],
        options["as_recorded"],
        options["allow_writes"],
        _words(options["update"]),
        _words(options["accept_stale"]),
        reviewer() if options["review"] else None,
        print_line,
        options["jobs"],
    )
    files, outcomes = replay_transcripts(paths, replay_options)
    reports.write(outcomes, time.monotonic() - started)
    if not outcomes:
        print_line("nothing ran: no transcript was found, or none was chosen" if files else "no transcripts found")
    return exit_code(outcomes)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
