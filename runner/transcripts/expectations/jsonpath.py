"""JSONPath, a subset: `$.a.b[0]`, `['a key']`, `[-1]`, `[*]`, `.*` and `..name`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

_SEGMENT = re.compile(
    r"""\.\.(?P<deep>[\w-]+) | \.(?P<name>[\w-]+) | (?P<every>\.\*|\[\*\])
      | \[(?P<index>-?\d+)\] | \[(?P<quote>['"])(?P<key>.*?)(?P=quote)\]""",
    re.VERBOSE,
)
Selector = Callable[[Any], Iterable[Any]]
"""The values that one segment of a path selects from a value."""


def values_at(path: str, value: Any) -> list[Any]:
    """All values at the path, in order. Raises ValueError for an invalid path."""
    values = [value]
    for select in compile_path(path):
        values = [selected for node in _distinct(values) for selected in select(node)]
    return values


def _distinct(values: Iterable[Any]) -> Iterable[Any]:
    """The lists and mappings, each once: `..` finds one by several ways, and their number would grow by powers."""
    return {id(value): value for value in values if isinstance(value, (Mapping, list))}.values()


@lru_cache(maxsize=512)
def compile_path(path: str) -> tuple[Selector, ...]:
    """The selectors of the path's segments. Raises ValueError."""
    if not path.startswith("$"):
        raise ValueError(f"a JSON path begins with $: {path!r}")
    selectors, position = [], 1
    while position < len(path):
        segment = _SEGMENT.match(path, position)
        if segment is None:
            raise ValueError(f"cannot read {path[position:]!r} in the JSON path {path!r}")
        selectors.append(_selector(segment))
        position = segment.end()
    return tuple(selectors)


def _selector(segment: re.Match[str]) -> Selector:
    if (deep := segment["deep"]) is not None:
        return lambda value: _descend(value, deep)
    if segment["every"] is not None:
        return _children
    if (index := segment["index"]) is not None:
        number = int(index)
        return lambda value: value[number : number + 1 or None] if isinstance(value, list) else ()
    key = segment["name"] if segment["name"] is not None else segment["key"]
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
