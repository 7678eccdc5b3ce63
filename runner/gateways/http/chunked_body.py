"""The chunked transfer coding of HTTP/1.1, taken off a body: pure, and the same however the bytes are split."""

from __future__ import annotations

import re
from http.client import HTTPException

_LONGEST_LINE = 65_536
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")


class ChunkedBody:
    """Decodes one body; `ended` once its last chunk and the trailers have come."""

    def __init__(self) -> None:
        self.ended = False
        self._rest = b""
        self._left_of_chunk = 0
        self._in_trailers = False

    def feed(self, data: bytes) -> bytes:
        """The bytes of the body in `data`. Raises HTTPException for what is no chunk."""
        data = self._rest + data
        pieces, position = [], 0
        while not self.ended:
            if self._left_of_chunk:
                piece = data[position : position + self._left_of_chunk]
                pieces.append(piece)
                position += len(piece)
                self._left_of_chunk -= len(piece)
            line_end = data.find(b"\n", position)
            if line_end < 0 or self._left_of_chunk:
                break
            self._line(data[position:line_end].rstrip(b"\r"))
            position = line_end + 1
        self._rest = data[position:]
        if len(self._rest) > _LONGEST_LINE:
            raise HTTPException("a chunk begins with a line that does not end")
        return b"".join(pieces)

    def _line(self, line: bytes) -> None:
        """A line between chunks: the end of one, the size of the next, or a trailer."""
        if self._in_trailers:
            self.ended = not line
        elif line:
            size = line.partition(b";")[0].strip()
            if not _SIZE.fullmatch(size):
                raise HTTPException(f"a chunk begins with {line[:20]!r}")
            self._left_of_chunk = int(size, 16)
            self._in_trailers = not self._left_of_chunk
