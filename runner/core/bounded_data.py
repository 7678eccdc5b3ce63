"""Data from JSON and YAML documents that others wrote: bounded in depth and in parts, each alias counted in full."""

from __future__ import annotations

import json
import re
from typing import Any

MAX_DEPTH = 100
MAX_PARTS = 500_000
_BOOLEANS = {"true": True, "false": False}
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_INTEGER = re.compile(r"[-+]?[0-9]{1,400}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_TEXT_TAG = "tag:yaml.org,2002:str"
_COLLECTION_TAGS = ("!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


def load_json(text: str | bytes, max_depth: int = MAX_DEPTH) -> Any:
    """The value of a JSON text. Raises ValueError, also for one that is nested too deeply."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise _too_deep(max_depth) from None
    opening = (text.count("[") + text.count("{")) if isinstance(text, str) else (text.count(b"[") + text.count(b"{"))
    if opening > max_depth:
        _check_depth(value, max_depth)
    return value


def load_yaml(text: str) -> Any:
    """The value of a YAML document, with strings left alone: no dates, and of the booleans only true and false.

    Aliases share what they name, merge keys are merged, and keys are strings. Raises ValueError.
    """
    import yaml  # lazy: most documents are JSON, and most sessions read none

    try:
        return _Builder().build(yaml.parse(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.YAMLError as error:
        raise ValueError(f"it is not valid YAML: {error}") from error
    except RecursionError:
        raise _too_deep(MAX_DEPTH) from None


def _check_depth(value: Any, most: int) -> None:
    level = [value]
    for _ in range(most + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise _too_deep(most)


def _too_deep(most: int) -> ValueError:
    return ValueError(f"it is nested more than {most} levels deep")


class _Collection:
    """A mapping or list that is being built; `parts` counts what is in it, aliases in full, `height` its levels."""

    def __init__(self, value: Any, anchor: str | None) -> None:
        self.value, self.anchor = value, anchor
        self.key: str | None = None
        self.parts, self.height = 1, 1
        self.merged: list[Any] = []


class _Builder:
    """Values from a parser's events, without recursion."""

    def __init__(self) -> None:
        self._open: list[_Collection] = []
        self._anchors: dict[str, tuple[Any, int, int]] = {}
        self._root: Any = None

    def build(self, events: Any) -> Any:
        import yaml

        documents = 0
        for event in events:
            match event:
                case yaml.DocumentStartEvent():
                    documents += 1
                    if documents > 1:
                        raise ValueError("it holds more than one document")
                case yaml.ScalarEvent():
                    value = self._scalar(event)
                    if event.anchor:
                        self._anchors[event.anchor] = (value, 1, 0)
                    self._add(value, 1, 0)
                case yaml.AliasEvent():
                    if event.anchor not in self._anchors:
                        raise ValueError(f"the alias *{event.anchor} names nothing, or stands inside what it names")
                    self._add(*self._anchors[event.anchor])
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    if event.tag is not None and event.tag not in _COLLECTION_TAGS:
                        raise ValueError(f"the tag {event.tag} is not allowed")
                    self._open.append(
                        _Collection({} if isinstance(event, yaml.MappingStartEvent) else [], event.anchor)
                    )
                    self._check(0, 0)
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    self._close(self._open.pop())
        return self._root

    def _close(self, ended: _Collection) -> None:
        for merged in ended.merged:
            for each in merged if isinstance(merged, list) else [merged]:
                if not isinstance(each, dict):
                    raise ValueError("a merge key takes a mapping, or a list of them")
                ended.value.update({key: value for key, value in each.items() if key not in ended.value})
        if ended.anchor:
            self._anchors[ended.anchor] = (ended.value, ended.parts, ended.height)
        self._add(ended.value, ended.parts, ended.height)

    def _add(self, value: Any, parts: int, height: int) -> None:
        """Put a value where it belongs; `parts` and `height` are those of all that is inside it."""
        self._check(parts, height)
        if not self._open:
            self._root = value
            return
        within = self._open[-1]
        within.parts += parts
        within.height = max(within.height, height + 1)
        if isinstance(within.value, list):
            within.value.append(value)
        elif within.key is None:
            if isinstance(value, dict | list):
                raise ValueError("a mapping or list cannot be a key")
            within.key = value if isinstance(value, str) else json.dumps(value)
        else:
            if within.key == "<<" and isinstance(value, dict | list):
                within.merged.append(value)
            else:
                within.value[within.key] = value
            within.key = None

    def _check(self, parts: int, height: int) -> None:
        if len(self._open) + height > MAX_DEPTH:
            raise _too_deep(MAX_DEPTH)
        if parts + sum(each.parts for each in self._open) > MAX_PARTS:
            raise ValueError(f"it has more than {MAX_PARTS:,} values, each alias counted in full")

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        if event.tag is not None and event.tag not in (_TEXT_TAG, "!"):
            raise ValueError(f"the tag {event.tag} is not allowed")
        if event.tag is not None or not event.implicit[0]:
            return text
        if text in _NULLS:
            return None
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        if _INTEGER.fullmatch(text):
            return int(text)
        return float(text) if len(text) < 400 and _FLOAT.fullmatch(text) else text
