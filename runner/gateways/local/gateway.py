"""The embedded model: llama.cpp in a child process of its own, spoken to over loopback in the OpenAI dialect.

The child starts with the first request, keeps its model loaded for the next ones, and ends with us, however we end.
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
from runner.gateways.local.models import find

if TYPE_CHECKING:
    from runner.gateways.local.process import Child

_FIRST_TOKEN = 300.0
_GRACE = 2.0


class Local:
    """Runs GGUF models in this machine: a known name, a path, or `hf:OWNER/REPO/FILE.gguf` once it was pulled.

    One model is loaded at a time, and it answers one request after another.
    """

    def __init__(self, *, name: str = "local") -> None:
        self.name = name
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._known: dict[str, Capabilities] = {}

    @property
    def where(self) -> str:
        return str(self._child.model) if self._child else "llama.cpp in this machine"

    def capabilities(self, model: str) -> Capabilities:
        """What the model's file says of it. Raises ModelMissing, LocalDied.

        The window is kept at 8192 tokens, since each costs memory; `context.max_tokens` may ask for more.
        """
        if model not in self._known:
            self._known[model] = _capabilities(model)
        return self._known[model]

    def stream(self, request: Request) -> Iterator[Chunk]:
        """The reply's chunks. Raises LocalDied when the child ends; the next request starts another."""
        patience = request.timeouts.first_token or _FIRST_TOKEN
        with self._claimed(request) as child:
            gateway = child.gateway(self.name, patience, request.cancel)
            try:
                yield from gateway.stream(replace(request, timeouts=replace(request.timeouts, first_token=patience)))
            except (Unreachable, IncompleteReply, ProtocolBroken):
                if child.ended(_GRACE):
                    raise child.death() from None
                raise

    def close(self) -> None:
        """End the child."""
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.close()

    @contextmanager
    def _claimed(self, request: Request) -> Iterator[Child]:
        """The child for a request; one that was replaced meanwhile is closed by the last reply that it still gives."""
        model = find(request.model)
        window = request.window or self.capabilities(request.model).window or DEFAULT_WINDOW
        with self._lock:
            child = self._fitting(model, window)
            child.replies += 1
        try:
            yield child
        finally:
            with self._lock:
                child.replies -= 1
                left = child is not self._child and not child.replies
            if left:
                child.close()

    def _fitting(self, model: Path, window: int) -> Child:
        """The child that has this model and window; one that has ended or does not fit is replaced."""
        from runner.gateways.local.process import Child  # lazy: only a request needs a process

        old = self._child
        if old is not None and old.model == model and old.window >= window and not old.ended():
            return old
        if old is not None and not old.replies:
            old.close()
        self._child = Child(model, window)
        return self._child


def _capabilities(model: str) -> Capabilities:
    from runner.gateways.local import gguf  # lazy: only this gateway looks into files

    path = find(model)
    try:
        facts = gguf.read(path)
    except (ValueError, OSError) as error:
        raise LocalDied(
            f"{model} is not a model that llama.cpp can load",
            where=str(path),
            why=str(error),
            fix="fetch the file again, or choose another model",
        ) from None
    return Capabilities(
        tools=facts.tools,
        parallel_calls=facts.tools,
        images=False,
        structured=True,
        window=min(facts.window or DEFAULT_WINDOW, DEFAULT_WINDOW),
    )
