"""References in JSON Schemas: each `$ref` inlined from the same document, bounded in size; nothing is ever fetched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

_MAX_NODES = 20_000
_MAX_DEPTH = 60
_VALUE_KEYWORDS = frozenset({"const", "default", "enum", "example", "examples"})
_NAME_KEYWORDS = frozenset({"dependentSchemas", "patternProperties", "properties"})
_DROPPED = frozenset({"$defs", "$id", "$ref", "$schema", "definitions"})


def inline_refs(schema: Any, document: Any) -> Any:
    """The schema with its references into `document` replaced by what they name; one that names itself takes anything.

    Raises ValueError for a reference that leads out of the document or nowhere, and for a schema too large or too deep.
    """
    return _Inliner(document, lenient=False).inline(schema, (), 0)


def inline_refs_leniently(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with its references replaced by what they name; one that cannot be inlined takes anything."""
    inlined: dict[str, Any] = _Inliner(schema, lenient=True).inline(schema, (), 0)
    return inlined


class _Inliner:
    def __init__(self, document: Any, lenient: bool) -> None:
        self._document = document
        self._lenient = lenient
        self._nodes_left = _MAX_NODES

    def inline(self, node: Any, open_refs: tuple[str, ...], depth: int) -> Any:
        self._nodes_left -= 1
        too_large = self._nodes_left < 0 or depth > _MAX_DEPTH
        if too_large and not self._lenient:
            raise ValueError(f"the schema has more than {_MAX_NODES} parts, or goes deeper than {_MAX_DEPTH}")
        if isinstance(node, list | tuple):
            return [self.inline(item, open_refs, depth + 1) for item in node]
        if not isinstance(node, Mapping):
            return node
        siblings = {
            key: self._keyword_value(key, value, open_refs, depth + 1)
            for key, value in node.items()
            if key not in _DROPPED
        }
        ref = node.get("$ref")
        if not isinstance(ref, str) or ref in open_refs or too_large:
            return siblings
        return {**self.inline(self._target(ref), (*open_refs, ref), depth + 1), **siblings}

    def _keyword_value(self, keyword: str, value: Any, open_refs: tuple[str, ...], depth: int) -> Any:
        if keyword in _VALUE_KEYWORDS:
            return value
        if keyword in _NAME_KEYWORDS and isinstance(value, Mapping):
            return {name: self.inline(subschema, open_refs, depth) for name, subschema in value.items()}
        return self.inline(value, open_refs, depth)

    def _target(self, ref: str) -> Mapping[str, Any]:
        try:
            return _resolve(ref, self._document)
        except ValueError:
            if self._lenient:
                return {}
            raise


def _resolve(ref: str, document: Any) -> Mapping[str, Any]:
    """What a `#/…` reference names in the document. Raises ValueError where that is no schema."""
    if ref != "#" and not ref.startswith("#/"):
        raise ValueError(f"$ref {ref!r} leads out of the document")
    target = document
    for part in ref.split("/")[1:]:
        key = unquote(part).replace("~1", "/").replace("~0", "~")
        try:
            target = target[int(key)] if isinstance(target, list) else target[key]
        except (KeyError, IndexError, TypeError, ValueError):
            raise ValueError(f"$ref {ref!r} names nothing") from None
    if not isinstance(target, Mapping):
        raise ValueError(f"$ref {ref!r} names no schema")
    return target
