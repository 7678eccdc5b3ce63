"""Gateways to models: one file a dialect, and the catalogue of the servers that speak them, as data."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from runner.core.cancel import Cancel
from runner.core.chunks import Chunk
from runner.core.entry_points import GATEWAYS, find_entry_point
from runner.core.errors import UsageError
from runner.core.messages import Message, ToolSpec
from runner.core.policy import Timeouts
from runner.gateways.catalogue import (
    CATALOGUE,
    DIALECTS,
    Dialect,
    GatewayPreset,
    dialect_named,
    dialect_of,
    is_of_a_package,
)

if TYPE_CHECKING:
    from runner.gateways.dialects.anthropic import Anthropic
    from runner.gateways.dialects.gemini import Gemini
    from runner.gateways.dialects.ollama import Ollama
    from runner.gateways.dialects.openai import OpenAI
    from runner.gateways.dialects.responses import Responses
    from runner.gateways.local.gateway import Local
    from runner.gateways.scripted import Scripted


OPTIONS = frozenset(
    {
        "frequency_penalty",
        "max_tokens",
        "parallel_calls",
        "presence_penalty",
        "seed",
        "stop",
        "temperature",
        "thinking",
        "top_k",
        "top_p",
    }
)
"""What an agent file may set under `options:`, besides `extra`."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a model behind a gateway can do; `window` is its context window in tokens, None if nobody knows.

    `sampling`: takes temperature, top_p and top_k. `structured`: enforces a JSON schema by itself.
    `truncates`: drops the front of a prompt that is too long without a word. `lacks`: the options, and perhaps
    `tool_choice`, that cannot be said in its dialect or are refused.
    """

    tools: bool = True
    parallel_calls: bool = True
    thinking: bool = True
    images: bool = True
    sampling: bool = True
    structured: bool = False
    truncates: bool = False
    window: int | None = None
    lacks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Request:
    """One model call, independent of any dialect.

    `window` is the context window in tokens that the conversation was fitted to; `stream` False asks for the reply
    in one piece; `seconds` bounds the whole call; `cancel` makes it stop from any thread. `cache`: the server may keep
    the prompt's beginning for the next request of the same `conversation`, a name that servers see; empty is none.
    """

    model: str
    messages: tuple[Message, ...]
    system: str = ""
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: str = "auto"
    options: Mapping[str, Any] = field(default_factory=dict)
    schema: Mapping[str, Any] | None = None
    window: int | None = None
    stream: bool = True
    timeouts: Timeouts = Timeouts()
    seconds: float | None = None
    cancel: Cancel = field(default_factory=Cancel)
    cache: bool = True
    conversation: str = ""


@runtime_checkable
class Gateway(Protocol):
    """One server, or one model in this machine, that can be asked for replies. Making one does no I/O."""

    @property
    def name(self) -> str:
        """The catalogue's name, or the one under `gateways:` in the agent file."""

    @property
    def where(self) -> str:
        """The effective address, for error messages; no secret is in it."""

    def capabilities(self, model: str) -> Capabilities:
        """What the model can do; may ask the server once. Raises GatewayError."""

    def stream(self, request: Request) -> Iterator[Chunk]:
        """The reply's chunks as they arrive, a DoneChunk last. Raises GatewayError; closing it hangs up."""

    def close(self) -> None:
        """Let go of connections and processes."""


_CLASSES = {dialect.gateway.rpartition(":")[2]: name for name, dialect in DIALECTS.items()}

__all__ = [
    "CATALOGUE",
    "DIALECTS",
    "OPTIONS",
    "Anthropic",
    "Capabilities",
    "Dialect",
    "Gateway",
    "GatewayPreset",
    "Gemini",
    "Local",
    "Ollama",
    "OpenAI",
    "Request",
    "Responses",
    "Scripted",
    "connect",
    "dialect_class",
    "dialect_named",
    "dialect_of",
    "is_of_a_package",
]


def connect(
    name: str,
    presets: Mapping[str, GatewayPreset] | None = None,
    *,
    url: str | None = None,
    key: str | None = None,
    headers: Mapping[str, str] | None = None,
    hosts: Sequence[str] = (),
) -> Gateway:
    """The gateway of that name: of `presets`, the agent file's own servers, else of the catalogue. No I/O.

    `hosts`: where the user lets keys go besides their own services. Raises UsageError for a name that nobody knows.
    """
    own = (presets or {}).get(name)
    preset = own or CATALOGUE.get(name)
    gateway_class = dialect_class(preset.dialect if preset else name)
    if preset is None or not dialect_of(name, presets or {}).over_http:
        return cast(Gateway, gateway_class(name=name) if preset else gateway_class())
    keywords: dict[str, Any] = {"name": name, "url": url, "key": key, "headers": headers, "hosts": hosts}
    if own is not None:
        keywords |= {
            "url": url or (os.environ.get(own.url_from) if own.url_from else None) or own.url,
            # A preset that leaves the address to the catalogue leaves the key to it, too.
            "key_from": own.key_from or ("" if own.url else None),
            "headers": {**own.headers, **(headers or {})},
            "quirks": own.quirks,
        }
    return cast(Gateway, gateway_class(**keywords))


def dialect_class(dialect: str) -> Any:
    """The class that speaks `dialect`: ours, or one under the entry point `agent_run.gateways`. Raises UsageError."""
    if known := DIALECTS.get(dialect):
        module, _, name = known.gateway.partition(":")
        return getattr(import_module(module), name)
    if point := find_entry_point(GATEWAYS, dialect):
        return point.load()
    raise UsageError(f"there is no gateway {dialect!r}", fix=f"one of {', '.join(sorted({*CATALOGUE, *DIALECTS}))}")


def __getattr__(name: str) -> Any:
    if name in _CLASSES:
        return dialect_class(_CLASSES[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
