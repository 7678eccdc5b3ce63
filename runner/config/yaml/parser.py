"""Parses YAML 1.2 files into documents whose nodes keep their line and column.

Size, depth and the number of nodes after the expansion of aliases are bounded. The C parser composes nodes, a
constructor of our own makes values of them, and a span is looked up in the nodes when somebody asks.
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
from yaml.nodes import MappingNode, Node, ScalarNode
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
from runner.config.text_file import MAX_BYTES, read_text
from runner.config.yaml.constructor import MAX_DEPTH, PLAIN, QUOTED, Constructor
from runner.config.yaml.document import Document
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
                problem = "found invalid Unicode character escape code"
                raise yaml.scanner.ScannerError(None, None, problem, self.get_mark()) from None
            return chunks


MAX_NODES = 50_000

_OPENING = (FlowSequenceStartToken, FlowMappingStartToken, BlockSequenceStartToken, BlockMappingStartToken)
_CLOSING = (FlowSequenceEndToken, FlowMappingEndToken, BlockEndToken)
_YAML_1_1_BREAKS = "\r\x85\u2028\u2029"
_YAML_1_1_BREAK = "[\x85\u2028\u2029]|\r(?!\n)"
_INDENTED = re.compile("\n[ \\t?:\ufeff-]{100}")


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
            from runner.config.yaml.messages import yaml_diagnostic  # lazy: most files can be parsed

            raise ConfigError([yaml_diagnostic(error, shown, text)]) from None
        constructor = Constructor(shown, max_nodes, diagnostics)
        documents = tuple(Document(shown, text, constructor.value(root), root) for root in roots)
    if diagnostics:
        raise ConfigError(sorted(diagnostics))
    return documents


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
        return PLAIN if implicit is True or (implicit and implicit[0]) else QUOTED

    # The parser calls these at every level; Python functions here would cost a third of its time.
    descend_resolver: Any = staticmethod(operator.is_)
    ascend_resolver: Any = staticmethod(dict)


class _DepthLimitedComposer(_Composer):
    """A composer that counts levels, for a text that may be nested too deeply for the parser's own recursion."""

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
    renumber = any(char in text for char in _YAML_1_1_BREAKS) and re.search(_YAML_1_1_BREAK, text)
    composer = _DepthLimitedComposer(text) if renumber or _may_be_deep(text) else _Composer(text)
    roots = []
    try:
        while composer.check_node():
            root = composer.get_node()
            if root is not None and renumber:
                _renumber_lines(root, text)
            if root is not None and not (isinstance(root, ScalarNode) and root.tag == PLAIN and not root.value):
                roots.append(root)
    except yaml.YAMLError:
        if isinstance(composer, _DepthLimitedComposer) and (mark := _deepest_allowed(text)) is not None:
            raise _too_deep(mark) from None
        raise
    finally:
        composer.dispose()
    return roots


def _renumber_lines(root: Node, text: str) -> None:
    """Give every node the line that an editor shows: the parser also counts the line breaks of YAML 1.1."""
    starts = [0, *(line_break.end() for line_break in re.finditer("\n", text))]

    def renumbered(mark: yaml.Mark) -> yaml.Mark:
        line = bisect_right(starts, mark.index) - 1
        return yaml.Mark(mark.name, mark.index, line, mark.index - starts[line], None, 0)

    waiting, seen = [root], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) not in seen:
            seen.add(id(node))
            node.start_mark, node.end_mark = renumbered(node.start_mark), renumbered(node.end_mark)
            if not isinstance(node, ScalarNode):
                waiting += chain.from_iterable(node.value) if isinstance(node, MappingNode) else node.value
