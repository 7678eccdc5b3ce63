"""Places in a JSON value: `$.a.b[0]`, `['a key']`, `[-1]`, `[*]`, `.*` and `..name`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

_PART = re.compile(
    r"""\.\.(?P<deep>[\w-]+) | \.(?P<name>[\w-]+) | (?P<every>\.\*|\[\*\])
      | \[(?P<index>-?\d+)\] | \[(?P<quote>['"])(?P<key>.*?)(?P=quote)\]""",
    re.VERBOSE,
)
Walk = Callable[[Any], Iterable[Any]]


def find(path: str, value: Any) -> list[Any]:
    """All values at the path. Raises ValueError for a path that is none."""
    found = [value]
    for walk in compiled(path):
        found = [each for one in found for each in walk(one)]
    return found


@lru_cache(maxsize=512)
def compiled(path: str) -> tuple[Walk, ...]:
    """The path as the walks it is made of. Raises ValueError."""
    if not path.startswith("$"):
        raise ValueError(f"a JSON path begins with $: {path!r}")
    walks, position = [], 1
    while position < len(path):
        part = _PART.match(path, position)
        if part is None:
            raise ValueError(f"cannot read {path[position:]!r} in the JSON path {path!r}")
        walks.append(_walk(part))
        position = part.end()
    return tuple(walks)


def _walk(part: re.Match[str]) -> Walk:
    if (deep := part["deep"]) is not None:
        return lambda value: _descend(value, deep)
    if part["every"] is not None:
        return _children
    if (index := part["index"]) is not None:
        at = int(index)
        return lambda value: value[at : at + 1 or None] if isinstance(value, list) else ()
    key = part["name"] if part["name"] is not None else part["key"]
    return lambda value: (value[key],) if isinstance(value, Mapping) and key in value else ()


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else ()


def _descend(value: Any, key: str) -> Iterator[Any]:
    if isinstance(value, Mapping) and key in value:
        yield value[key]
    for child in _children(value):
        yield from _descend(child, key)
