"""Gateway to the embedded model: llama.cpp in a process of its own, asked over loopback in the OpenAI dialect.

The process starts with the first request, keeps its model loaded for the next ones, and ends with this one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runner.core.chunks import Chunk
from runner.core.errors import IncompleteReply, LocalDied, ProtocolBroken, Unreachable
from runner.core.policy import DEFAULT_WINDOW
from runner.gateways import Capabilities, Request
from runner.gateways.local.models import find_model

if TYPE_CHECKING:
    from runner.gateways.local.process import ModelProcess

_FIRST_TOKEN = 300.0
_EXIT_SECONDS = 2.0


class Local:
    """Runs GGUF models in this machine: a known name, a path, or `hf:OWNER/REPO/FILE.gguf` once it was pulled.

    One model is loaded at a time, and it answers one request after another.
    """

    def __init__(self, *, name: str = "local") -> None:
        self.name = name
        self._lock = threading.Lock()
        self._process: ModelProcess | None = None
        self._by_model: dict[str, Capabilities] = {}

    @property
    def where(self) -> str:
        return str(self._process.model) if self._process else "llama.cpp in this machine"

    def capabilities(self, model: str) -> Capabilities:
        """What the model's file says of it. Raises ModelMissing, LocalDied.

        The window is kept at 8192 tokens, since each costs memory; `context.max_tokens` may ask for more.
        """
        if model not in self._by_model:
            self._by_model[model] = _capabilities(model)
        return self._by_model[model]

    def stream(self, request: Request) -> Iterator[Chunk]:
        """The reply's chunks. Raises LocalDied when the process ends; the next request starts another."""
        first_token = request.timeouts.first_token or _FIRST_TOKEN
        with self._process_for(request) as process:
            gateway = process.gateway(self.name, first_token, request.cancel)
            try:
                yield from gateway.stream(replace(request, timeouts=replace(request.timeouts, first_token=first_token)))
            except (Unreachable, IncompleteReply, ProtocolBroken):
                if process.has_exited(_EXIT_SECONDS):
                    raise process.exit_error() from None
                raise

    def close(self) -> None:
        """End the process, or let it end with the last reply that it is giving to somebody else."""
        with self._lock:
            process, self._process = self._process, None
            is_idle = process is not None and not process.open_replies
        if process is not None and is_idle:
            process.close()

    @contextmanager
    def _process_for(self, request: Request) -> Iterator[ModelProcess]:
        """The process for a request; one that was replaced meanwhile is closed with the last reply that it gives."""
        model = find_model(request.model)
        window = request.window or self.capabilities(request.model).window or DEFAULT_WINDOW
        with self._lock:
            process = self._fitting_process(model, window)
            process.open_replies += 1
        try:
            yield process
        finally:
            with self._lock:
                process.open_replies -= 1
                abandoned = process is not self._process and not process.open_replies
            if abandoned:
                process.close()

    def _fitting_process(self, model: Path, window: int) -> ModelProcess:
        """The process that has this model and window; one that has ended or does not fit is replaced."""
        from runner.gateways.local.process import ModelProcess  # lazy: only a request needs a process

        current = self._process
        if current is not None and current.model == model and current.window >= window and not current.has_exited():
            return current
        if current is not None and not current.open_replies:
            current.close()
        self._process = ModelProcess(model, window)
        return self._process


def _capabilities(model: str) -> Capabilities:
    from runner.gateways.local import gguf  # lazy: only this gateway looks into files

    path = find_model(model)
    try:
        metadata = gguf.read_metadata(path)
    except (ValueError, OSError) as error:
        raise LocalDied(
            f"{model} is not a model that llama.cpp can load",
            where=str(path),
            why=str(error),
            fix="fetch the file again, or choose another model",
        ) from None
    return Capabilities(
        tools=metadata.tools,
        parallel_calls=metadata.tools,
        images=False,
        structured=True,
        window=min(metadata.window or DEFAULT_WINDOW, DEFAULT_WINDOW),
    )
