"""Tool calls that a model wrote into its text: recognised, so that the user can be told; they are never run."""

from __future__ import annotations

import re
from collections.abc import Iterable

_MARKS = r"<tool_call>|<function[=_]|<\|(?:python_tag|tool_call)|\[TOOL_CALLS\]"
_CALL_OF = r'"(?:name|function|tool)"\s*:\s*"({0})"|^\s*\[?({0})\(\w+='


def has_textual_call(text: str, names: Iterable[str]) -> bool:
    """Whether the text holds what looks like a call of one of the tools with these names."""
    if not any(character in text for character in '<["('):
        return False  # most answers; the patterns cost a millisecond to compile
    if re.search(_MARKS, text):
        return True
    known = "|".join(map(re.escape, names))
    return bool(known) and re.search(_CALL_OF.format(known), text) is not None
