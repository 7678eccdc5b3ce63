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
"""Matches a server's words, in lower case, that mean a prompt too long."""

_NUMBER = r"(?P<{}>\d+(?:,\d{{3}})*)"
_PHRASES = (
    r"(?:context|model|prompt|input) (?:length|size|window|limit) (?:is |of )?(?:only )?\(?{}",
    r"> ?{}(?: maximum|,|$)",
    r"tokens allowed \(?{}",
    r"(?:must be <=|limit is|cannot exceed) {}",
    r"with {} maximum context",
)
_FITTING = re.compile("|".join(phrase.format(_NUMBER.format(f"n{at}")) for at, phrase in enumerate(_PHRASES)))


def window_in(objects: Iterable[Any], message: str) -> int | None:
    """The tokens that fit, by `n_ctx` in one of an error's objects or by its message; None where none names them."""
    for each in objects:
        if isinstance(each, dict) and type(told := each.get("n_ctx")) is int and told > 0:
            return told
    found = _FITTING.search(message.lower())
    return int(next(filter(None, found.groups())).replace(",", "")) or None if found else None
