"""Foreign JSON Schemas made fit for a tool: every `$ref` inlined from the same document, nothing ever fetched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

MOST_NODES = 20_000
DEEPEST = 60
_VALUES = frozenset({"const", "default", "enum", "example", "examples"})
_NAMES = frozenset({"dependentSchemas", "patternProperties", "properties"})
_DROPPED = frozenset({"$defs", "$id", "$ref", "$schema", "definitions"})


def inlined(schema: Any, document: Any) -> Any:
    """The schema with its references into `document` replaced by what they name; one that names itself takes anything.

    Raises ValueError for a reference that leads out of the document or nowhere, and for a schema too large or too deep.
    """
    return _Inliner(document).walk(schema, ())


class _Inliner:
    def __init__(self, document: Any) -> None:
        self._document = document
        self._left = MOST_NODES

    def walk(self, node: Any, open_refs: tuple[str, ...], depth: int = 0) -> Any:
        self._left -= 1
        if self._left < 0 or depth > DEEPEST:
            raise ValueError(f"the schema has more than {MOST_NODES} parts, or goes deeper than {DEEPEST}")
        if isinstance(node, list):
            return [self.walk(each, open_refs, depth + 1) for each in node]
        if not isinstance(node, Mapping):
            return node
        rest = {key: self._under(key, each, open_refs, depth + 1) for key, each in node.items() if key not in _DROPPED}
        reference = node.get("$ref")
        if not isinstance(reference, str) or reference in open_refs:
            return rest
        found = self.walk(_found(reference, self._document), (*open_refs, reference), depth + 1)
        return {**found, **rest}

    def _under(self, key: str, node: Any, open_refs: tuple[str, ...], depth: int) -> Any:
        if key in _VALUES:
            return node
        if key in _NAMES and isinstance(node, Mapping):
            return {name: self.walk(each, open_refs, depth) for name, each in node.items()}
        return self.walk(node, open_refs, depth)


def _found(reference: str, document: Any) -> Mapping[str, Any]:
    """What a `#/…` reference names."""
    if reference == "#":
        found = document
    elif reference.startswith("#/"):
        found = document
        for part in reference[2:].split("/"):
            part = unquote(part).replace("~1", "/").replace("~0", "~")
            try:
                found = found[int(part)] if isinstance(found, list) else found[part]
            except (KeyError, IndexError, TypeError, ValueError):
                raise ValueError(f"$ref {reference!r} names nothing") from None
    else:
        raise ValueError(f"$ref {reference!r} leads out of the document")
    if not isinstance(found, Mapping):
        raise ValueError(f"$ref {reference!r} names no schema")
    return found
