"""What `pull` does: an embedded model's weights fetched into the user's cache."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from runner.core.errors import ModelMissing, UsageError
from runner.gateways.local.models import installed, weights_of

ShowProgress = Callable[[], AbstractContextManager[Callable[[int, int | None], None]]]
"""Opens what shows a transfer; it gets the bytes that are there, and of all, None as long as that is unknown."""


def pull(model: str, show_progress: ShowProgress) -> Path:
    """The file of the model's weights, fetched unless it is installed. Raises UsageError, GatewayError."""
    try:
        weights = weights_of(model)
    except ModelMissing as error:
        raise UsageError(error.what, fix=error.fix) from None
    if weights is None:
        raise UsageError(f"{model} is a path: there is nothing to fetch", fix="name it as `model:` with gateway local")
    if path := installed(weights):
        return path
    from runner.gateways.local.download import download  # lazy: it brings the network

    with show_progress() as progress:
        return download(weights, progress)
