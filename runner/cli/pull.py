"""`agent-run pull MODEL`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from runner.gateways.local.models import Weights


@click.command()
@click.argument("model")
def pull(model: str) -> None:
    """Fetch an embedded model's weights into the user's cache and print where they are.

    MODEL is a known name (smollm2-135m) or hf:OWNER/REPO/FILE.gguf. HF_ENDPOINT names another hub; a transfer that
    broke off goes on where it stopped.
    """
    from runner.core.errors import ModelMissing, UsageError  # lazy, as the next: `--help` needs neither
    from runner.gateways.local.models import installed, weights_of

    try:
        weights = weights_of(model)
    except ModelMissing as error:
        raise UsageError(error.what, fix=error.fix) from None
    if weights is None:
        raise UsageError(f"{model} is a path: there is nothing to fetch", fix="name it as `model:` with gateway local")
    click.echo(installed(weights) or _downloaded(model, weights))


def _downloaded(model: str, weights: Weights) -> Path:
    from runner.gateways.local.download import download  # lazy: it brings the network

    with _progress(model) as progress:
        try:
            return download(weights, progress)
        except KeyboardInterrupt:
            click.echo("Stopped. What has arrived is kept: run it again to go on.", err=True)
            raise


@contextmanager
def _progress(model: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar on stderr, where somebody can see it."""
    from rich.console import Console  # lazy, as the next: only a download draws
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    shown = console.is_terminal and not console.is_dumb_terminal and not os.environ.get("CI")
    with Progress(*columns, console=console, disable=not shown) as bar:
        task = bar.add_task(model, total=None)
        yield lambda there, total: bar.update(task, completed=there, total=total)
