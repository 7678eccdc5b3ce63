"""What tests of the decoders do with chunks."""

from __future__ import annotations

from collections.abc import Iterable

from runner.core.chunks import Assembly, Chunk
from runner.core.errors import GatewayError
from runner.gateways.http.decoder import Decoder


def assembled(chunks: Iterable[Chunk]) -> Assembly:
    """The reply that the chunks make."""
    assembly = Assembly()
    for chunk in chunks:
        assembly.add(chunk)
    return assembly


def so_far(decoder: Decoder, pieces: Iterable[bytes]) -> tuple[list[Chunk], type[GatewayError] | None]:
    """The chunks of a reply that comes in these pieces, and the error that ended them."""
    chunks: list[Chunk] = []
    try:
        for piece in pieces:
            for chunk in decoder.feed(piece):  # one by one: what comes before an error counts
                chunks.append(chunk)
        for chunk in decoder.end():
            chunks.append(chunk)
    except GatewayError as error:
        return chunks, type(error)
    return chunks, None
