"""What a transport asks of a dialect's decoder: bytes to chunks, pure, the same however the bytes are split."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from runner.core.chunks import Chunk


class Decoder(Protocol):
    """Decodes one reply.

    `events` counts what was decoded, without pings. `complete`: the terminator was seen, so a break loses nothing.
    `ended`: the DoneChunk was given, and nothing more is awaited.
    """

    events: int
    complete: bool
    ended: bool

    def feed(self, data: bytes) -> Iterator[Chunk]:
        """The chunks that `data` completes; read it to its end. Raises GatewayError after those that came before."""

    def end(self) -> Iterator[Chunk]:
        """What is left when the bytes end. Raises IncompleteReply where no terminator came."""

    def decode_document(self, data: bytes) -> Iterator[Chunk]:
        """The chunks of a reply that came as one JSON value. Raises GatewayError."""
