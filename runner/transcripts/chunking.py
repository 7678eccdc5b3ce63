"""How a reply's text was cut into streamed chunks: run-length coded lengths, and other cuts to try the engine with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby

MODES = ("recorded", "whole", "char", "fuzz:SEED")
_MAX_FUZZED_LENGTH = 12
_RUN = re.compile(r"([1-9][0-9]{0,6})(?:x([1-9][0-9]{0,6}))?")


def encode_lengths(lengths: Iterable[int]) -> str:
    """`(1, 1, 2)` as `1x2 2`."""
    runs = ((length, len(list(run))) for length, run in groupby(lengths))
    return " ".join(f"{length}x{count}" if count > 1 else str(length) for length, count in runs)


def decode_lengths(coded: str, characters: int) -> tuple[int, ...]:
    """`1x2 2` as `(1, 1, 2)`, as far as a text of so many characters needs them. Raises ValueError."""
    lengths: list[int] = []
    for run in coded.split():
        match = _RUN.fullmatch(run)
        if match is None:
            raise ValueError(f"{run[:20]!r} is not a length such as 4, or 1x3")
        length, count = int(match[1]), int(match[2] or 1)
        needed = min(count, -(-characters // length))
        lengths += [length] * needed
        characters -= length * needed
    return tuple(lengths)


def split_text(text: str, lengths: Sequence[int]) -> list[str]:
    """The text in pieces of these lengths; what they do not cover is the last piece."""
    pieces, start = [], 0
    for length in lengths:
        if start >= len(text):
            break
        pieces.append(text[start : start + length])
        start += length
    if start < len(text):
        pieces.append(text[start:])
    return pieces


def is_mode(mode: str) -> bool:
    """The mode is one of MODES."""
    kind, _, seed = mode.partition(":")
    return mode in MODES[:3] or (kind == "fuzz" and seed.lstrip("-").isdigit())


def text_chunks(text: str, recorded: Sequence[int], mode: str = "recorded") -> list[str]:
    """The text as the stream brings it: in chunks of the recorded lengths, or as another of MODES cuts it."""
    if mode == "recorded":
        return split_text(text, recorded)
    if mode == "whole":
        return [text] if text else []
    if mode == "char":
        return list(text)
    import random  # lazy: streams are fuzzed rarely

    generator = random.Random(f"{mode}/{len(text)}")
    lengths = [generator.randint(1, _MAX_FUZZED_LENGTH) for _ in range(len(text))]
    return split_text(text, lengths)
