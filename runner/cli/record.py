"""`agent-run record`: hold the conversations of transcripts live, and write their recordings."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--gateway", default="", help="Another gateway than the agent's.")
@click.option("--model", default="", help="Another model than the agent's.")
@click.option("--var", "variables", multiple=True, metavar="K=V", help="A variable's value, kept with the recording.")
@click.option("--only", multiple=True, metavar="WHAT", help="tag:NAME, a turn's id, or a piece of the path.")
@click.option("--allow-writes", is_flag=True, help="Let tools write and execute.")
@click.option("--review", is_flag=True, help="Look at each fresh recording before it is kept.")
@click.option("--trust", is_flag=True, help="Consent, this once, to what the agents can execute.")
def record(paths: tuple[Path, ...], **options: Any) -> int:
    """Hold the conversations in PATHS, files or folders, with their models, and write the recordings.

    The script's own text is never touched; recordings named hand/… are left alone.
    """
    from runner.cli.report_output import Reports, print_line, reviewer  # lazy, as the next: `--help` needs none of it
    from runner.commands.record import record as record_transcripts
    from runner.config.template.variables import parse_var_options
    from runner.transcripts.exit_codes import exit_code
    from runner.transcripts.recording.live_run import LiveOptions
    from runner.transcripts.suite.selection import Selection

    started = time.monotonic()
    outcomes = record_transcripts(
        paths,
        Selection(only=options["only"], trust=options["trust"]),
        LiveOptions("", parse_var_options(options["variables"]), options["allow_writes"], print_line),
        gateway=options["gateway"],
        model=options["model"],
        review=reviewer() if options["review"] else None,
    )
    Reports.of(()).write(outcomes, time.monotonic() - started)
    return exit_code(outcomes)
