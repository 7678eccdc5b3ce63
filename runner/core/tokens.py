"""Token counts: an estimate that needs no tokenizer, calibrated by what servers count."""

from __future__ import annotations

import json
from math import ceil
from typing import Any

from runner.core.messages import Message, ToolSpec

_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ "
_ASCII = bytes(range(128))
_MESSAGE_OVERHEAD = 4
_TOOL_OVERHEAD = 12
IMAGE = 1100
_SMOOTHING = 0.5


def estimate(text: str) -> int:
    """Tokens of a text: four and a half letters of a word each, two digits or marks, one sign of another script."""
    if not text:
        return 0
    data = text.encode("utf-8", "surrogatepass")
    marks = data.translate(None, _LETTERS)
    foreign = marks.translate(None, _ASCII)
    return int((len(data) - len(marks)) / 4.5 + (len(marks) - len(foreign)) / 2 + len(foreign) / 2.6) + 1


def estimate_json(value: Any) -> int:
    """Tokens of a JSON value as it stands in a request."""
    return estimate(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def estimate_message(message: Message) -> int:
    """Tokens of one message with its calls, results and files."""
    count = _MESSAGE_OVERHEAD + estimate(message.text) + IMAGE * len(message.files)
    if message.opaque is not None:
        count += estimate(message.thinking)
    for call in message.calls:
        count += _MESSAGE_OVERHEAD + estimate(call.name) + estimate(call.raw)
    for result in message.results:
        count += _MESSAGE_OVERHEAD + estimate_json(result.output) + IMAGE * len(result.files)
    return count


def estimate_tools(specs: tuple[ToolSpec, ...]) -> int:
    """Tokens of the tools as a request declares them."""
    return sum(
        _TOOL_OVERHEAD + estimate(spec.name) + estimate(spec.description) + estimate_json(dict(spec.parameters))
        for spec in specs
    )


class Calibration:
    """The factor between estimated and counted tokens of one model, learned from each usage report."""

    def __init__(self) -> None:
        self.factor = 1.0

    def learn(self, estimated: int, counted: int) -> None:
        """`counted` tokens were what the server made of a prompt we took for `estimated`."""
        if estimated < 32 or counted <= 0:
            return
        ratio = min(4.0, max(0.4, counted / estimated))
        self.factor += _SMOOTHING * (ratio - self.factor)

    def __call__(self, estimated: int) -> int:
        return int(estimated * self.factor) + 1

    def max_estimate(self, room: int) -> int:
        """The largest estimate that the calibrated count takes for no more than `room` tokens."""
        largest = ceil(room / self.factor) - 1
        return largest if self(largest) <= room else largest - 1  # the division may round the other way
