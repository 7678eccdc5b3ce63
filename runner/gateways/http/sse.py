"""Server-sent events and JSON lines: bytes to events, pure, bounded, and the same however the bytes are split.

Lines end at LF, CR or CRLF alone, never at U+2028 or U+0085, which JSON strings may hold.
"""

from __future__ import annotations

from collections.abc import Iterator

from runner.core.errors import ProtocolBroken

LIMIT = 8 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class _Splitter:
    """Collects bytes up to a separator: lines, or blocks of lines, of at most LIMIT bytes."""

    separator = b"\n"

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._after_cr = False
        self._at_start = True

    def _split(self, data: bytes) -> Iterator[bytes]:
        """The pieces that `data` completes, line ends made LF."""
        if self._after_cr and data:
            data = data.removeprefix(b"\n")
            self._after_cr = False
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if b"\n" not in data:
            self._append(data)
            return
        self._pieces.append(data)
        joined = b"".join(self._pieces) if len(self._pieces) > 1 else data
        pieces = joined.split(self.separator)
        rest = pieces.pop()
        self._pieces, self._size = [], 0
        bounded = len(joined) <= LIMIT
        for piece in pieces:
            if not bounded and len(piece) > LIMIT:
                raise _too_long()
            if self._at_start:
                self._at_start = False
                piece = piece.removeprefix(_BOM)
            if piece:
                yield piece
        self._append(rest)

    def _append(self, rest: bytes) -> None:
        if rest:
            self._pieces.append(rest)
            self._size += len(rest)
            if self._size > LIMIT:
                raise _too_long()

    def _take_rest(self) -> bytes:
        rest = b"".join(self._pieces)
        self._pieces, self._size = [], 0
        return rest.removeprefix(_BOM) if self._at_start else rest


class JsonLinesParser(_Splitter):
    """Newline-delimited JSON: the lines that are not blank, undecoded."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The lines that `data` completes. Raises ProtocolBroken for one over LIMIT; read it to its end."""
        for line in self._split(data):
            if not line.isspace():
                yield line

    def end(self) -> Iterator[bytes]:
        """A last line without its line end."""
        rest = self._take_rest()
        if rest.strip():
            yield rest


class SseParser(_Splitter):
    """Server-sent events as (event name, data); comments, and blocks without data, give none."""

    separator = b"\n\n"

    def feed(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        """The events that `data` completes. Raises ProtocolBroken for one over LIMIT; read it to its end."""
        for block in self._split(data):
            if block.startswith(b"data: ") and b"\n" not in block:
                if len(block) > 6:
                    yield "", block[6:]
            else:
                yield from _parsed_event(block)

    def end(self) -> Iterator[tuple[str, bytes]]:
        """A last event without its blank line, perhaps cut: the data says whether it is whole."""
        yield from _parsed_event(self._take_rest())


def _parsed_event(block: bytes) -> Iterator[tuple[str, bytes]]:
    name, data = b"", []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    joined = b"\n".join(data)
    if joined:
        yield name.decode("utf-8", "replace"), joined


def _too_long() -> ProtocolBroken:
    return ProtocolBroken(
        f"the server sent a line of more than {LIMIT // 1024 // 1024} MB",
        fix="check the gateway's url: it does not seem to be a model server",
    )
