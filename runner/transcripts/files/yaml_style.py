"""YAML nodes and scalar styles: people can read them, and YAML 1.1 and 1.2 read back the same values."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from yaml import MappingNode, Node, SafeDumper, ScalarNode, SequenceNode, serialize

_TAG = "tag:yaml.org,2002:"
_PLAIN = re.compile(r"[A-Za-z_][\w./-]*(?: [\w./()?!%-]+)*", re.ASCII)
# Eight hex digits with a letter that no YAML reader takes for an exponent.
_PLAIN_HASH = re.compile(r"(?=.*[a-df])[0-9a-f]{8}")
_RESERVED = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
# What a literal block cannot carry: controls, other line ends, and what editors strip or YAML eats.
_NOT_LITERAL = re.compile(r"[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_TRAILING_SPACE = re.compile(r" (?:\n|\Z)")


def node_text(node: Node) -> str:
    """One node as YAML text that begins at the left margin."""
    return serialize(node, Dumper=SafeDumper, width=1 << 30, allow_unicode=True)


def block_mapping(items: Iterable[tuple[str, Node]]) -> MappingNode:
    """A mapping with one key a line."""
    return MappingNode(_TAG + "map", [(scalar_node(key), node) for key, node in items], flow_style=False)


def block_sequence(nodes: Iterable[Node]) -> SequenceNode:
    """A sequence with one item a line."""
    return SequenceNode(_TAG + "seq", list(nodes), flow_style=False)


def flow_node(value: Any) -> Node:
    """A JSON value on one line."""
    if isinstance(value, str):
        return scalar_node(value)
    if isinstance(value, Mapping):
        items = [(scalar_node(str(key)), flow_node(item)) for key, item in value.items()]
        return MappingNode(_TAG + "map", items, flow_style=True)
    if isinstance(value, Sequence):
        return SequenceNode(_TAG + "seq", [flow_node(item) for item in value], flow_style=True)
    if value is None or isinstance(value, bool):
        return ScalarNode(_TAG + ("null" if value is None else "bool"), json.dumps(value))
    if isinstance(value, int):
        return ScalarNode(_TAG + "int", str(value))
    return ScalarNode(_TAG + "float", _float_text(value))


def value_node(value: Any, text_style: Callable[[str], ScalarNode] | None = None) -> Node:
    """A JSON value: a text of many lines as a literal block, anything else on one line; `text_style` for any text."""
    if isinstance(value, str):
        return (text_style or (literal_node if "\n" in value else scalar_node))(value)
    return flow_node(value)


def literal_node(text: str) -> ScalarNode:
    """A text as a literal block where YAML can carry it unchanged, else double-quoted."""
    fits = text and text[0] not in " \n" and not _NOT_LITERAL.search(text) and not _TRAILING_SPACE.search(text)
    return ScalarNode(_TAG + "str", text, style="|" if fits else '"')


def plain_node(text: str) -> ScalarNode:
    """A text that is known to need no quotes."""
    return ScalarNode(_TAG + "str", text)


def scalar_node(text: str) -> ScalarNode:
    """A short text: without quotes only where no YAML reader could take it for something else."""
    if (_PLAIN.fullmatch(text) or _PLAIN_HASH.fullmatch(text)) and text.lower() not in _RESERVED:
        return plain_node(text)
    quotable = "\n" not in text and not _NOT_LITERAL.search(text)
    return ScalarNode(_TAG + "str", text, style="'" if quotable else '"')


def inline(value: Any) -> str:
    """A JSON value as YAML text on one line, fit to stand anywhere in a document."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=bool(_NOT_LITERAL.search(value)))
    return json.dumps(value)


def _float_text(number: float) -> str:
    """A number that YAML 1.1 and 1.2 both read as a float."""
    text = repr(float(number))
    if "e" in text:
        mantissa, exponent = text.split("e")
        sign = "" if exponent[0] in "+-" else "+"
        return f"{mantissa}{'' if '.' in mantissa else '.0'}e{sign}{exponent}"
    return {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}.get(text, text)
