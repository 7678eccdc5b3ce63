"""YAML 1.2, core schema, with the line and column of everything.

`no` and dates are strings, keys are strings and stand once, there are no tags; size, depth and the number of nodes
after the expansion of aliases are bounded. The C parser composes nodes, a small constructor of our own makes values of
them, and a place is looked up in the nodes when somebody asks.
"""

from __future__ import annotations

import gc
import operator
import re
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.tokens import (
    BlockEndToken,
    BlockMappingStartToken,
    BlockSequenceStartToken,
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
)

from runner.config.diagnostics import WHOLE_FILE, Diagnostic
from runner.config.yaml.document import Document, span_of
from runner.config.yaml.messages import encoding_diagnostic, yaml_diagnostic
from runner.core.errors import ConfigError

try:
    from yaml.cyaml import CParser as _Parser  # type: ignore[attr-defined]
except ImportError:  # libyaml is missing: the same, eight times slower

    class _Parser(yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser, yaml.composer.Composer):  # type: ignore[no-redef]
        def __init__(self, stream: str) -> None:
            yaml.reader.Reader.__init__(self, stream)
            yaml.scanner.Scanner.__init__(self)
            yaml.parser.Parser.__init__(self)
            yaml.composer.Composer.__init__(self)

        def dispose(self) -> None:
            pass

        def scan_flow_scalar_non_spaces(self, double: bool, start_mark: yaml.Mark) -> list[str]:
            """Refuses what libyaml refuses: escapes that stand for no character."""
            try:
                chunks: list[str] = super().scan_flow_scalar_non_spaces(double, start_mark)
                "".join(chunks).encode()
            except (ValueError, OverflowError):
                diagnostic = "found invalid Unicode character escape code"
                raise yaml.scanner.ScannerError(None, None, diagnostic, self.get_mark()) from None
            return chunks


__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_NODES", "Document", "load_document", "load_documents", "read_text"]

MAX_BYTES = 1_000_000
MAX_DEPTH = 64
MAX_NODES = 50_000

_OPENING = (FlowSequenceStartToken, FlowMappingStartToken, BlockSequenceStartToken, BlockMappingStartToken)
_CLOSING = (FlowSequenceEndToken, FlowMappingEndToken, BlockEndToken)
_READ = 65_536
_PLAIN = "plain"
_QUOTED = "quoted"
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_FOREIGN_BREAKS = "\r\x85\u2028\u2029"
_FOREIGN = re.compile("[\x85\u2028\u2029]|\r(?!\n)")
_NUMERIC = frozenset("0123456789+-.")
_INDENTED = re.compile("\n[ \\t?:\ufeff-]{100}")
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


def load_document(path: Path | str, *, text: str | None = None) -> Document:
    """The only document of an agent file, or of `text` under that name. Raises ConfigError with every problem."""
    documents = load_documents(path, text=text)
    shown = str(path)
    if not documents:
        raise ConfigError([Diagnostic(shown, 1, 1, "the file is empty", "an agent needs at least gateway: and model:")])
    if len(documents) > 1:
        line, column, _ = documents[1].span(()) or WHOLE_FILE
        message = "a second document begins here: an agent file holds one"
        raise ConfigError([Diagnostic(shown, line, column, message, "remove the --- before it")])
    return documents[0]


def load_documents(
    path: Path | str, *, text: str | None = None, max_bytes: int = MAX_BYTES, max_nodes: int = MAX_NODES
) -> tuple[Document, ...]:
    """Every document of a file, those without content left out. Raises ConfigError with every problem."""
    shown = str(path)
    if text is None:
        text = read_text(path, max_bytes)
    diagnostics: list[Diagnostic] = []
    with _gc_paused(len(text)):
        try:
            roots = _compose(text)
        except yaml.YAMLError as error:
            raise ConfigError([yaml_diagnostic(error, shown, text)]) from None
        construction = _Construction(shown, max_nodes, diagnostics)
        documents = tuple(Document(shown, text, construction.value(root), root) for root in roots)
    if diagnostics:
        raise ConfigError(sorted(diagnostics))
    return documents


def parse_scalar(text: str) -> Any:
    """The value that one plain word stands for, by the core schema: `1e3` is a number, `no` a string."""
    if text in _WORDS:
        return _WORDS[text]
    return _number(text) if text[0] in _NUMERIC else text


def read_text(path: Path | str, max_bytes: int = MAX_BYTES) -> str:
    """A file's text, UTF-8 with or without a byte order mark. Raises ConfigError."""
    shown = str(path)
    try:
        with open(path, "rb") as file:
            data = file.read(_READ)  # not all that is allowed: room is made for as much as is asked for
            if len(data) == _READ:
                data += file.read(max_bytes + 1 - _READ)
    except OSError as error:
        hint = "name a file" if isinstance(error, IsADirectoryError) else ""
        raise ConfigError(
            [Diagnostic(shown, 0, 0, f"cannot be read: {(error.strerror or 'error').lower()}", hint)]
        ) from None
    except ValueError:
        raise ConfigError([Diagnostic(shown, 0, 0, "cannot be read: no file can have this name")]) from None
    if len(data) > max_bytes:
        raise ConfigError([Diagnostic(shown, 0, 0, f"the file is larger than {max_bytes:,} bytes")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError([encoding_diagnostic(shown, data, error.start)]) from None
    if "\0" in text:
        raise ConfigError([encoding_diagnostic(shown, data, data.index(0))])
    return text


@contextmanager
def _gc_paused(size: int) -> Iterator[None]:
    """Nodes are many and live as long as the file: the collector would walk them again and again."""
    paused = size > 20_000 and gc.isenabled()
    if paused:
        gc.disable()
    try:
        yield
    finally:
        if paused:
            gc.enable()


class _Composer(_Parser):  # type: ignore[misc, valid-type, unused-ignore]
    """Composes nodes whose tag says only: plain, quoted, or tagged by hand."""

    def resolve(self, kind: type[Node], value: Any, implicit: Any) -> str:
        return _PLAIN if implicit is True or (implicit and implicit[0]) else _QUOTED

    # The parser tells of every level; to hear of it in Python would cost a third of its time.
    descend_resolver: Any = staticmethod(operator.is_)
    ascend_resolver: Any = staticmethod(dict)


class _Fathoming(_Composer):
    """The same, for a text that may be nested so deeply that the parser's own recursion is in danger."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def descend_resolver(self, parent: Node | None, index: Any) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            mark = parent.start_mark if parent else None
            raise _too_deep(mark)

    def ascend_resolver(self) -> None:
        self._depth -= 1


def _too_deep(mark: yaml.Mark | None) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=f"nested deeper than {MAX_DEPTH} levels", problem_mark=mark)


def _deepest_allowed(text: str) -> yaml.Mark | None:
    """Where the last allowed level begins, if another follows: libyaml has its own limit, and reads ahead to it."""
    levels: list[yaml.Mark] = []
    try:
        for token in yaml.scan(text):
            if isinstance(token, _OPENING):
                if len(levels) == MAX_DEPTH:
                    return levels[-1]
                levels.append(token.start_mark)
            elif levels and isinstance(token, _CLOSING):
                levels.pop()
    except yaml.YAMLError:
        pass
    return None


def _may_be_deep(text: str) -> bool:
    """Hundreds of levels need hundreds of brackets, or a line that is indented to match."""
    return text.count("[") + text.count("{") > 300 or _INDENTED.search("\n" + text) is not None


def _compose(text: str) -> list[Node]:
    foreign = any(each in text for each in _FOREIGN_BREAKS) and _FOREIGN.search(text)
    composer = _Fathoming(text) if foreign or _may_be_deep(text) else _Composer(text)
    roots = []
    try:
        while composer.check_node():
            root = composer.get_node()
            if root is not None and foreign:
                _count_lines_again(root, text)
            if root is not None and not (isinstance(root, ScalarNode) and root.tag == _PLAIN and not root.value):
                roots.append(root)
    except yaml.YAMLError:
        if isinstance(composer, _Fathoming) and (mark := _deepest_allowed(text)) is not None:
            raise _too_deep(mark) from None
        raise
    finally:
        composer.dispose()
    return roots


def _count_lines_again(root: Node, text: str) -> None:
    """Give every node the line that an editor shows: the parser also counts the line breaks of YAML 1.1."""
    starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def mended(mark: yaml.Mark) -> yaml.Mark:
        line = bisect_right(starts, mark.index) - 1
        return yaml.Mark(mark.name, mark.index, line, mark.index - starts[line], None, 0)

    waiting, seen = [root], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) not in seen:
            seen.add(id(node))
            node.start_mark, node.end_mark = mended(node.start_mark), mended(node.end_mark)
            if not isinstance(node, ScalarNode):
                waiting += chain.from_iterable(node.value) if isinstance(node, MappingNode) else node.value


class _Construction:
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
            if tag is _QUOTED:
                return node.value
            if tag is _PLAIN:
                return self._plain(node)
        elif tag is _PLAIN or tag is _QUOTED:
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
        made: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            if key is None:
                continue
            if key in made:
                first = next(each for each, _ in node.value if each.value == key)
                hint = "keep one of the two"
                self._report(key_node, f"duplicate key {key!r}, first at line {first.start_mark.line + 1}", hint)
                continue
            made[key] = self.value(value_node, depth)
        return made

    def _key(self, node: Node) -> str | None:
        if type(node) is ScalarNode:
            text: str = node.value
            if node.tag is _QUOTED:
                return text
            if node.tag is _PLAIN:
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
    if _INTEGER.fullmatch(text):
        if len(text) > 400:
            return None
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return None if _NOT_FINITE.fullmatch(text) else text
