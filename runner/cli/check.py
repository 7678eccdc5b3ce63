"""`agent-run check PATH…`."""

from __future__ import annotations

import sys

import click

from runner.cli.terminal.streams import print_text
from runner.config.diagnostic_formats import FORMATS, render_text
from runner.core.spelling import counted

EXIT_WRONG = 2
EXIT_NOTHING = 5


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(readable=False))
@click.option(
    "--format",
    "form",
    type=click.Choice(tuple(FORMATS)),
    default="text",
    show_default=True,
    help="How problems are written.",
)
@click.option("--mutate", is_flag=True, help="Also replay spoilt recordings, and list the expectations nothing breaks.")
@click.option("--trust", is_flag=True, help="With --mutate: consent to what the agents can execute.")
def check(paths: tuple[str, ...], form: str, mutate: bool, trust: bool) -> int:
    """Validate agent and transcript files; a folder stands for all of them below it.

    Every problem of every file is shown as FILE:LINE:COL. Nothing that a file names is run, imported or contacted.
    An environment variable that is not set is a warning here, since the machine that checks need not hold the keys.
    """
    from runner.commands.check import check_paths  # lazy: `--help` needs it not

    checked = check_paths(paths, mutate=mutate, trust=trust)
    diagnostics = checked.diagnostics
    if form != "text" or diagnostics:
        text = FORMATS[form](diagnostics) if form != "text" else render_text(diagnostics, source=sys.stdout.isatty())
        click.echo(text) if form == "github" else print_text(text)
    errors = checked.errors
    print_text(f"{counted(checked.files, 'file')}: {_counts(errors, len(diagnostics) - errors)}", err=True)
    if errors:
        return checked.exit_code or EXIT_WRONG
    return 0 if checked.files else EXIT_NOTHING


def _counts(errors: int, warnings: int) -> str:
    parts = [counted(errors, "error")] if errors else []
    parts += [counted(warnings, "warning")] if warnings else []
    return ", ".join(parts) or "no problems"
