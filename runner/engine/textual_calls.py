"""Tool calls that a model wrote into its text: they are shown, never run, and the user is told."""

from __future__ import annotations

import re
from collections.abc import Iterable

_MARKS = re.compile(r"<tool_call>|<function[=_]|<\|(?:python_tag|tool_call)|\[TOOL_CALLS\]")
_NAMED = r'"(?:name|function|tool)"\s*:\s*"({0})"|^\s*\[?({0})\(\w+='


def has_textual_call(text: str, names: Iterable[str]) -> bool:
    """Whether the text holds what looks like a call of one of the tools with these names."""
    if _MARKS.search(text):
        return True
    known = "|".join(map(re.escape, names))
    return bool(known) and re.search(_NAMED.format(known), text) is not None
