"""How long a server asks to be left alone: its `retry-after` headers, or its words, in seconds."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping

_PHRASE = r"(?:try again|retry) (?:in|after) (?:(\d+)m(?!s))?\s?(?:(\d+(?:\.\d+)?) ?(ms|s))?"


def retry_after(headers: Mapping[str, str], message: str = "") -> float | None:
    """Seconds that the server asks us to wait: from `retry-after-ms`, `retry-after`, or its words; None if unknown.

    Header names are in lower case. Nonsense and times that are over count as unknown.
    """
    if (milliseconds := _number(headers.get("retry-after-ms", ""))) is not None:
        return milliseconds / 1000
    header = headers.get("retry-after", "").strip()
    if header:
        seconds = _number(header)
        return seconds if seconds is not None else _seconds_until(header)
    if phrase := re.search(_PHRASE, message):
        minutes, number, unit = phrase.groups()
        if minutes or number:
            return int(minutes or 0) * 60 + float(number or 0) / (1000 if unit == "ms" else 1)
    return None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _seconds_until(date: str) -> float | None:
    from email.utils import parsedate_to_datetime  # lazy: only for servers that name a date

    try:
        seconds = parsedate_to_datetime(date).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return seconds if seconds >= 0 else None
