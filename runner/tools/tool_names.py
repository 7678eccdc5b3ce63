"""Names for the tools of servers and documents, in letters that every model takes; lines that differ between texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from runner.core.truncate import truncate_list

MAX_NAME = 64
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9_-]")
_DIGEST_LENGTH = 8
_GROUP_LENGTH = 20


def qualified_name(group: str, tool: str) -> str:
    """`group__tool` in letters that every model's server takes; a long name keeps its telling end behind a hash."""
    whole = f"{group}__{tool}" if group else tool
    name = _NOT_ALLOWED.sub("_", whole)
    if len(name) <= MAX_NAME:
        return name
    import hashlib  # lazy: long names are rare

    digest = hashlib.sha256(whole.encode()).hexdigest()[:_DIGEST_LENGTH]
    head = f"{_NOT_ALLOWED.sub('_', group)[:_GROUP_LENGTH]}__{digest}_" if group else f"{digest}_"
    return head + name[len(head) - MAX_NAME :]


def name_meant(name: str, known: Iterable[str]) -> str | None:
    """The known name that a call of `name` means: itself, or the only one that differs from it in case alone."""
    alike = [each for each in known if each.casefold() == name.casefold()]
    return name if name in alike else alike[0] if len(alike) == 1 else None


def changed_lines(old: Sequence[str], new: Sequence[str], most: int) -> list[str]:
    """The lines that differ, `-` and `+` before them; at most so many, and how many more there are."""
    from difflib import unified_diff  # lazy: what was seen before is mostly the same

    _, _, *lines = *unified_diff(old, new, n=0, lineterm=""), "", ""
    return truncate_list([line for line in lines if line.startswith(("-", "+"))], most, "… and {} lines more")
