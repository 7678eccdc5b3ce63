"""Values of YAML nodes by the core schema of YAML 1.2: `no` and dates are strings, and there are no tags."""

from __future__ import annotations

import re
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from runner.config.diagnostics import Diagnostic
from runner.config.yaml.document import span_of
from runner.core.errors import ConfigError

MAX_DEPTH = 64

PLAIN = "plain"
QUOTED = "quoted"
"""What the tag of a composed node says; anything else is a tag written in the file."""
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMERIC = frozenset("0123456789+-.")
_INTEGER = r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"
_FLOAT = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
_NOT_FINITE = r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"


def parse_scalar(text: str) -> Any:
    """The value that one plain word stands for, by the core schema: `1e3` is a number, `no` a string."""
    if text in _WORDS:
        return _WORDS[text]
    return _number(text) if text[0] in _NUMERIC else text


class Constructor:
    """Makes values of nodes. Aliases are expanded, so that values share nothing and a bomb runs out of nodes."""

    def __init__(self, path: str, max_nodes: int, diagnostics: list[Diagnostic]) -> None:
        self._path = path
        self._max_nodes = self._left = max_nodes
        self._diagnostics = diagnostics

    def value(self, node: Any, depth: int = 0) -> Any:
        tag = node.tag
        kind = type(node)
        if kind is ScalarNode:
            self._left -= 1
            if tag is QUOTED:
                return node.value
            if tag is PLAIN:
                return self._plain(node)
        elif tag is PLAIN or tag is QUOTED:
            if depth > MAX_DEPTH:
                self._stop(node, f"nested deeper than {MAX_DEPTH} levels, or an alias stands inside what it names")
            self._left -= 1
            if self._left < 0:
                self._stop(node, f"more than {self._max_nodes:,} values after the aliases are expanded")
            if kind is SequenceNode:
                return [self.value(item, depth + 1) for item in node.value]
            return self._mapping(node, depth + 1)
        self._report(
            node, f"tags such as {tag.replace('tag:yaml.org,2002:', '!!')} are not allowed", "write the plain value"
        )
        return None

    def _mapping(self, node: MappingNode, depth: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            if key is None:
                continue
            if key in mapping:
                first = next(first for first, _ in node.value if first.value == key)
                hint = "keep one of the two"
                self._report(key_node, f"duplicate key {key!r}, first at line {first.start_mark.line + 1}", hint)
                continue
            mapping[key] = self.value(value_node, depth)
        return mapping

    def _key(self, node: Node) -> str | None:
        if type(node) is ScalarNode:
            text: str = node.value
            if node.tag is QUOTED:
                return text
            if node.tag is PLAIN:
                if text == "<<":
                    self._report(node, "merge keys are not part of YAML 1.2", "repeat the keys, or use extends:")
                    return None
                if text not in _WORDS and (text[0] not in _NUMERIC or type(_number(text)) is str):
                    return text
            self._report(node, f"a key must be a string, not {text or 'nothing'}", f'write "{text}":' if text else "")
        elif isinstance(node, MappingNode):
            self._report(node, "a mapping cannot be a key", "quote a template: '{{ name }}'")
        else:
            self._report(node, "a list cannot be a key", "quote it")
        return None

    def _plain(self, node: ScalarNode) -> Any:
        text = node.value
        if text in _WORDS:
            return _WORDS[text]
        if text[0] not in _NUMERIC:
            return text
        number = _number(text)
        if number is None or number in (float("inf"), float("-inf")):
            self._report(node, f"{text[:40]} is not a number that fits here", "a finite number, or quotes for a text")
        return number

    def _report(self, node: Node, message: str, hint: str = "") -> None:
        line, column, length = span_of(node)
        self._diagnostics.append(Diagnostic(self._path, line, column, message, hint, length=length))

    def _stop(self, node: Node, message: str) -> None:
        self._report(node, message)
        raise ConfigError(sorted(self._diagnostics))


def _number(text: str) -> int | float | str | None:
    """The number that `text` stands for; the text if it stands for none; None if it is out of bounds."""
    if re.fullmatch(_INTEGER, text):
        if len(text) > 400:
            return None
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if re.fullmatch(_FLOAT, text):
        return float(text)
    return None if re.fullmatch(_NOT_FINITE, text) else text
