"""Known secrets in a text, as they are and as they are encoded: in URLs, JSON, HTML, MIME, hexadecimal and Base64.

A text is decoded in each way that its characters allow, to a few levels, and what is found there is traced back to the
characters that it came from. So no list of encoded forms can miss one.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

MIN_SECRET_LENGTH = 6
_LEVELS = 3
_SHORTEST_LINE = 20
_CACHED_RUNS = 20_000
_LONGEST_CACHED = 256

_SEXTET = rb"[A-Za-z0-9+/_-]"
_HEX = rb"[0-9A-Fa-f]"
_ESCAPED = rb"%[0-9A-Fa-f]{2}|&#?[A-Za-z0-9]{1,31}|=[0-9A-Fa-f]{2}|\\[uUxnrtbf\"'/\\0-7]"
_BETWEEN = rb"(?:[:;,._\s-]{1,2}(?:0[xX])?|0[xX])"
_HEX_ALONE = re.compile(rb"%b+" % _HEX)
_HEX_DIGIT = re.compile(rb"0[xX]|(%b)" % _HEX)
_BREAK = rb"(?:\r?\n[ \t]*)"
_STANDARD = bytes.maketrans(b"-_", b"+/")
_SHORT_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f", b"0": b"\0"}
# What a terminal or a reader leaves out: colours and the like, controls, zero-width and other invisible characters.
_INVISIBLE = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]|\xe2(?:\x80[\x8b-\x8f\xaa-\xae]|\x81[\xa0-\xaf])|\xc2\xad|\xcd\x8f|\xef\xbb\xbf"
    rb"|\xef\xb8[\x80-\x8f]|\xd8\x9c|\xe1\xa0\x8e|\xf3\xa0[\x80-\x87][\x80-\xbf]|[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]|\xc2[\x80-\x9f]"
)
_PLAIN = bytes(range(32, 127)) + b"\t\r\n"


class SecretSpan(NamedTuple):
    """Where a secret stands in a text, from `start` up to `end`, and its name."""

    start: int
    end: int
    name: str


class _View(NamedTuple):
    """A text decoded: its byte at `i` came from the bytes `starts[i]` up to `ends[i]`."""

    data: bytes
    starts: Sequence[int]
    ends: Sequence[int]


class SecretFinder:
    """Finds the secrets of a mapping of names to values; those that are too short to tell from words are left out."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._remembered = lru_cache(maxsize=256)(self._find)  # the same prompts are looked at again and again
        self._names: dict[bytes, str] = {}
        for name, value in secrets.items():
            for part in _parts(value):
                self._names.setdefault(part.encode("utf-8", "surrogatepass"), name)
                # Windows encodes UTF-16; without its last byte it is found whichever byte of each pair comes first.
                self._names.setdefault(part.encode("utf-16-le", "surrogatepass")[:-1], name)
        needles = sorted(self._names, key=len, reverse=True)
        self._exact = re.compile(b"|".join(map(re.escape, needles))) if needles else None
        shortest = len(needles[-1]) if needles else 0
        width = min(-(-4 * shortest // 3), 16)
        sextets = re.compile(rb"(?<!%b)%b{%d,}(?:%b%b+)*" % (_SEXTET, _SEXTET, width, _BREAK, _SEXTET))
        hexadecimal = re.compile(
            rb"(?<!%b)(?:%b{%d,}(?:%b%b+)*|(?:0[xX])?%b{2,}(?:%b%b{2,})+)"
            % (_HEX, _HEX, min(2 * shortest, 32), _BREAK, _HEX, _HEX, _BETWEEN, _HEX)
        )
        self._nested = re.compile(rb"[\t\r\n -~]{%d,}|%b" % (max(1, shortest), _ESCAPED))
        self._runs = ((sextets, _sextet_views, set[bytes]()), (hexadecimal, _hex_views, set[bytes]()))

    def spans(self, text: str) -> Sequence[SecretSpan]:
        """Where secrets stand in the text, in order, none overlapping another."""
        return self._remembered(text)

    def __bool__(self) -> bool:
        return self._exact is not None

    def _find(self, text: str) -> list[SecretSpan]:
        if self._exact is None:
            return []
        data = text.encode("utf-8", "surrogatepass")
        found = sorted(self._search(data, _LEVELS))
        if not found:
            return []
        offsets = range(len(data) + 1) if text.isascii() else _character_offsets(text)
        merged: list[SecretSpan] = []
        for start, end, name in found:
            if merged and offsets[start] < merged[-1].end:
                merged[-1] = merged[-1]._replace(end=max(merged[-1].end, offsets[end]))
            else:
                merged.append(SecretSpan(offsets[start], offsets[end], name))
        return merged

    def redact(self, text: str, placeholder: Callable[[str], str] = "«{}»".format) -> str:
        """The text with `placeholder(name)` for each secret."""
        spans = self.spans(text)
        if not spans:
            return text
        pieces, at = [], 0
        for start, end, name in spans:
            pieces += [text[at:start], placeholder(name)]
            at = end
        return "".join([*pieces, text[at:]])

    def _search(self, data: bytes, levels: int) -> Iterator[SecretSpan]:
        """The secrets in the bytes, and in what these decode to in at most so many levels."""
        assert self._exact is not None
        for match in self._exact.finditer(data):
            yield SecretSpan(*match.span(), self._names[match.group()])
        if not levels:
            return
        for view in self._views(data, levels == _LEVELS):
            for start, end, name in self._search(view.data, levels - 1):
                yield SecretSpan(view.starts[start], view.ends[end - 1], name)

    def _views(self, data: bytes, is_text: bool) -> Iterator[_View]:
        if is_text and data.translate(None, _PLAIN) and (view := _unescaped(data, _INVISIBLE, _nothing)) is not None:
            yield view
        for marker, pattern, decode in _ESCAPES:
            if marker in data and (view := _unescaped(data, pattern, decode)) is not None:
                yield view
        for pattern, views, harmless in self._runs:
            for match in pattern.finditer(data):
                if match.group() not in harmless:
                    yield from self._run_views(match, views, harmless)

    def _run_views(
        self, match: re.Match[bytes], views: Callable[[re.Match[bytes]], Iterator[_View]], harmless: set[bytes]
    ) -> Iterator[_View]:
        """The views of a run of encoded characters that may hold something; a run without any is remembered."""
        hopeful = False
        for view in views(match):
            if self._nested.search(view.data) or (self._exact and self._exact.search(view.data)):
                hopeful = True
                yield view
        if not hopeful and len(match.group()) <= _LONGEST_CACHED and len(harmless) < _CACHED_RUNS:
            harmless.add(match.group())


def secret_finder(secrets: Mapping[str, str]) -> SecretFinder:
    """The finder of these secrets, kept for others who look for the same."""
    return _finder_of(tuple(secrets.items()))


@lru_cache(maxsize=16)
def _finder_of(secrets: tuple[tuple[str, str], ...]) -> SecretFinder:
    return SecretFinder(dict(secrets))


def _parts(value: str) -> Iterator[str]:
    """The value, and of one with several lines each long one, since they may be written apart."""
    stripped = value.strip()
    lines = [line.strip() for line in stripped.splitlines()] if "\n" in stripped else []
    for part in (value, stripped, *(line for line in lines if len(line) >= _SHORTEST_LINE and "-----" not in line)):
        if len(part) >= MIN_SECRET_LENGTH:
            yield part


def _character_offsets(text: str) -> list[int]:
    """For each byte of the text in UTF-8, and for the end, the character that it belongs to."""
    offsets: list[int] = []
    for index, char in enumerate(text):
        offsets += [index] * len(char.encode("utf-8", "surrogatepass"))
    return [*offsets, len(text)]


def _unescaped(data: bytes, pattern: re.Pattern[bytes], decode: Callable[[re.Match[bytes]], bytes]) -> _View | None:
    """The bytes with each escape decoded; None where there is none."""
    pieces: list[bytes] = []
    starts: list[int] = []
    ends: list[int] = []
    at = 0
    for match in pattern.finditer(data):
        start, end = match.span()
        decoded = decode(match)
        pieces += [data[at:start], decoded]
        starts += [*range(at, start), *[start] * len(decoded)]
        ends += [*range(at + 1, start + 1), *[end] * len(decoded)]
        at = end
    if not at:
        return None
    pieces.append(data[at:])
    starts += range(at, len(data))
    ends += range(at + 1, len(data) + 1)
    return _View(b"".join(pieces), starts, ends)


def _percent(match: re.Match[bytes]) -> bytes:
    return b" " if match.group() == b"+" else bytes([int(match[1], 16)])


def _backslash(match: re.Match[bytes]) -> bytes:
    pair, *codes, octets, octal, line_break, char = match.groups()
    if octal:
        return bytes([int(octal, 8) & 0xFF])
    if line_break:
        return b""
    if pair:
        return _pair(pair).encode("utf-8", "surrogatepass")
    if code := next(filter(None, codes), b""):
        return _character(int(code, 16))
    return bytes([int(octets, 16)]) if octets else _SHORT_ESCAPES.get(char, char)


def _backslash_of_text(match: re.Match[bytes]) -> bytes:
    r"""As Python's repr and JavaScript mean it: `\xad` is the character U+00AD and not a byte."""
    return _character(int(match[5], 16)) if match[5] else _backslash(match)


def _pair(pair: bytes) -> str:
    r"""The character of a surrogate pair that is written as `\ud83d\ude00`."""
    high, low = int(pair[2:6], 16), int(pair[8:12], 16)
    return chr(0x10000 + (high - 0xD800 << 10) + low - 0xDC00)


def _entity(match: re.Match[bytes]) -> bytes:
    from html import unescape  # lazy: its names of characters, where there are any

    return unescape(match.group().decode()).encode("utf-8", "surrogatepass")


def _unit(match: re.Match[bytes]) -> bytes:
    return _character(int(match[1], 16))


def _nothing(match: re.Match[bytes]) -> bytes:
    return b""


def _character(code: int) -> bytes:
    return chr(code).encode("utf-8", "surrogatepass") if code < 0x110000 else b""


def _quoted_printable(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 16)]) if match[1] else b""


_BACKSLASHED = re.compile(
    rb"(\\u[dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2})"
    rb"|\\(?:u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2})"
    rb"|([0-7]{3})|(\r?\n[ \t]*)|([^uUx]))"
)

_ESCAPES: Sequence[tuple[bytes, re.Pattern[bytes], Callable[[re.Match[bytes]], bytes]]] = (
    (b"%", re.compile(rb"%([0-9A-Fa-f]{2})"), _percent),
    (b"+", re.compile(rb"%([0-9A-Fa-f]{2})|\+"), _percent),
    (b"\\", _BACKSLASHED, _backslash),
    (b"\\x", _BACKSLASHED, _backslash_of_text),
    (b"&", re.compile(rb"&(?:#[0-9]{1,20}|#[xX][0-9A-Fa-f]{1,20}|[A-Za-z][A-Za-z0-9]{1,30});?"), _entity),
    (b"=", re.compile(rb"=(?:([0-9A-Fa-f]{2})|\r?\n)"), _quoted_printable),
    (b"%u", re.compile(rb"%u([0-9A-Fa-f]{4})"), _unit),
)
"""Each way to escape characters: what stands in a text that uses it, how an escape reads, what it stands for."""


def _positions(match: re.Match[bytes], separators: bytes) -> tuple[bytes, Sequence[int]]:
    """The run without its separators, and where each of its bytes stands in the text."""
    run, start = match.group(), match.start()
    if not any(separator in run for separator in separators):
        return run, range(start, start + len(run))
    kept = [index for index, byte in enumerate(run) if byte not in separators]
    return bytes(run[index] for index in kept), [start + index for index in kept]


def _sextet_views(match: re.Match[bytes]) -> Iterator[_View]:
    """What a run decodes to, wherever in it the first group of four begins."""
    run, positions = _positions(match, b" \t\r\n")
    run = run.translate(_STANDARD)
    for shift in range(min(4, len(run) - 1)):
        chars = run[shift:]
        chars = chars[:-1] if len(chars) % 4 == 1 else chars
        data = binascii.a2b_base64(chars + b"=" * (-len(chars) % 4))
        first = [shift + index // 3 * 4 + index % 3 for index in range(len(data))]
        yield _View(data, [positions[index] for index in first], [positions[index + 1] + 1 for index in first])


def _hex_views(match: re.Match[bytes]) -> Iterator[_View]:
    """What pairs of digits stand for, from the first on, and from the second."""
    text, start = match.group(), match.start()
    positions: Sequence[int]
    if _HEX_ALONE.fullmatch(text):
        run, positions = text, range(start, start + len(text))
    else:
        digits = [digit.start(1) for digit in _HEX_DIGIT.finditer(text) if digit[1]]
        run, positions = bytes([text[at] for at in digits]), [start + at for at in digits]
    for shift in (0, 1):
        count = (len(run) - shift) // 2
        data = binascii.a2b_hex(run[shift : shift + 2 * count])
        starts = [positions[shift + 2 * index] for index in range(count)]
        yield _View(data, starts, [positions[shift + 2 * index + 1] + 1 for index in range(count)])
