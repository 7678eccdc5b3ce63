"""How a reply's text was cut into streamed pieces: run-length coded lengths, and other cuts to try the engine with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

MODES = ("recorded", "whole", "char", "fuzz:SEED")
_FUZZ_LONGEST = 12
_MOST = 1_000_000


def encode_lengths(lengths: Iterable[int]) -> str:
    """`(1, 1, 2)` as `1x2 2`."""
    runs = ((length, len(list(run))) for length, run in groupby(lengths))
    return " ".join(f"{length}x{count}" if count > 1 else str(length) for length, count in runs)


def decode_lengths(coded: str) -> tuple[int, ...]:
    """`1x2 2` as `(1, 1, 2)`. Raises ValueError."""
    lengths: list[int] = []
    for run in coded.split():
        length, times, count = run.partition("x")
        repeated = int(count) if times else 1
        if int(length) < 1 or not 0 < repeated <= _MOST:
            raise ValueError("a chunk has at least one character, and a run at least one chunk")
        lengths += [int(length)] * repeated
    return tuple(lengths)


def cut(text: str, lengths: Sequence[int]) -> list[str]:
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


def known_mode(mode: str) -> bool:
    """The mode is one of MODES."""
    kind, _, seed = mode.partition(":")
    return mode in MODES[:3] or (kind == "fuzz" and seed.lstrip("-").isdigit())


def pieces(text: str, recorded: Sequence[int], mode: str = "recorded") -> list[str]:
    """The text as the stream brings it, under one of MODES."""
    if mode == "recorded":
        return cut(text, recorded)
    if mode == "whole":
        return [text] if text else []
    if mode == "char":
        return list(text)
    import random  # lazy: streams are fuzzed rarely

    dice = random.Random(f"{mode}/{len(text)}")
    lengths = [dice.randint(1, _FUZZ_LONGEST) for _ in range(len(text))]
    return cut(text, lengths)
