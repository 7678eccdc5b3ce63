"""The embedded model: llama.cpp in a child process of its own, spoken to over loopback in the OpenAI dialect.

The child starts with the first request, keeps its model loaded for the next ones, and ends with us, however we end.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from runner.core.chunks import Chunk
from runner.core.errors import IncompleteReply, LocalDied, ProtocolBroken, Unreachable
from runner.core.policy import DEFAULT_WINDOW
from runner.gateways import Capabilities, Request

if TYPE_CHECKING:
    from runner.gateways.local_child import Child

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
        child = self._loaded(request)
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

    def _loaded(self, request: Request) -> Child:
        """The child for the request's model and window; one that has ended or does not fit is replaced."""
        from runner.gateways.local_child import Child  # lazy, as the next: only a request needs a process
        from runner.gateways.weights import find

        model = find(request.model)
        window = request.window or self.capabilities(request.model).window or DEFAULT_WINDOW
        with self._lock:
            child = self._child
            if child is None or child.model != model or child.window < window or child.ended():
                if child is not None:
                    child.close()
                self._child = child = Child(model, window)
            return child


def _capabilities(model: str) -> Capabilities:
    from runner.gateways import gguf  # lazy, as the next: only this gateway looks at files
    from runner.gateways.weights import find

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
