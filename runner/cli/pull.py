"""`agent-run pull MODEL`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import click

from runner.cli.terminal.streams import print_text, printable


@click.command()
@click.argument("model")
def pull(model: str) -> None:
    """Fetch an embedded model's weights into the user's cache and print where they are.

    MODEL is a known name (smollm2-135m) or hf:OWNER/REPO/FILE.gguf. HF_ENDPOINT names another hub; a transfer that
    broke off goes on where it stopped.
    """
    from runner.commands.pull import pull as pull_weights  # lazy: `--help` needs it not

    try:
        print_text(str(pull_weights(model, partial(_progress_bar, model))))
    except KeyboardInterrupt:
        print_text("Stopped. What has arrived is kept: run it again to go on.", err=True)
        raise


@contextmanager
def _progress_bar(model: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar on stderr, where somebody can see it."""
    from rich.console import Console  # lazy, as the next: only a download draws
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    shown = console.is_terminal and not console.is_dumb_terminal and not os.environ.get("CI")
    with Progress(*columns, console=console, disable=not shown) as bar:
        task = bar.add_task(escape(printable(model)), total=None)
        yield lambda there, total: bar.update(task, completed=there, total=total)
