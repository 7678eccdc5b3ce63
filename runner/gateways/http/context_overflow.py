"""How servers say that a prompt is too long, and how many tokens would have fitted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

TOO_LONG = (
    r"context_length_exceeded|exceed_context_size|model_context_window_exceeded"
    r"|maximum (?:context|prompt|model) length|context length (?:of|is) only"
    r"|prompt is too long|prompt too long|input is too long|input length exceeds|input token count"
    r"|exceeds? (?:the )?(?:available |model'?s )?context|context (?:window|length|size) (?:exceeded|is too)"
    r"|reduce the length of the messages|max_new_tokens\W+must be <=|prompt cannot exceed"
)
"""Matches a server's message, in lower case, that means a prompt too long."""

_NUMBER = r"(?P<{}>\d+(?:,\d{{3}})*)"
_PHRASES = (
    r"(?:context|model|prompt|input) (?:length|size|window|limit) (?:is |of )?(?:only )?\(?{}",
    r"> ?{}(?: maximum|,|$)",
    r"tokens allowed \(?{}",
    r"(?:must be <=|limit is|cannot exceed) {}",
    r"with {} maximum context",
)
_STATED = "|".join(phrase.format(_NUMBER.format(f"n{index}")) for index, phrase in enumerate(_PHRASES))


def stated_window(parts: Iterable[Any], message: str) -> int | None:
    """The tokens that fit, by `n_ctx` in one of an error's parts or by its message; None where none names them."""
    for part in parts:
        if isinstance(part, dict) and type(window := part.get("n_ctx")) is int and window > 0:
            return window
    phrase = re.search(_STATED, message.lower())
    return int(next(filter(None, phrase.groups())).replace(",", "")) or None if phrase else None
