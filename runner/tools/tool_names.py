"""Foreign names and texts made fit to show to a model and to a user."""

from __future__ import annotations

import re
from collections.abc import Sequence

from runner.core.truncate import truncate_list

LONGEST_NAME = 64
_FOREIGN = re.compile(r"[^A-Za-z0-9_-]")
_DIGEST = 8
_SHORT_GROUP = 20


def qualified(group: str, tool: str) -> str:
    """`group__tool` in letters that every model's server takes; a long name keeps its telling end behind a hash."""
    whole = f"{group}__{tool}" if group else tool
    name = _FOREIGN.sub("_", whole)
    if len(name) <= LONGEST_NAME:
        return name
    import hashlib  # lazy: long names are rare

    digest = hashlib.sha256(whole.encode()).hexdigest()[:_DIGEST]
    head = f"{_FOREIGN.sub('_', group)[:_SHORT_GROUP]}__{digest}_" if group else f"{digest}_"
    return head + name[len(head) - LONGEST_NAME :]


def difference(old: Sequence[str], new: Sequence[str], most: int) -> list[str]:
    """The lines that differ, `-` and `+` before them; at most so many, and how many more there are."""
    from difflib import unified_diff  # lazy: what was seen before is mostly the same

    _, _, *lines = *unified_diff(old, new, n=0, lineterm=""), "", ""
    return truncate_list([line for line in lines if line.startswith(("-", "+"))], most, "… and {} lines more")
