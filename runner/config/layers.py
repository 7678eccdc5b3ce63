"""Several documents as one: the command line over the agent file over what it extends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode

from runner.config.diagnostics import WHOLE_FILE, Diagnostic, Severity, SourceMap, Span
from runner.config.paths import Outside, kind_of, real, rooted
from runner.config.yaml.document import Document, NodePath, position_at
from runner.config.yaml.parser import load_document, load_documents
from runner.core.errors import ConfigError
from runner.core.sanitize import replace_surrogates

MAX_EXTENDS = 16


@dataclass(frozen=True, slots=True)
class Layers:
    """Documents, the strongest first, and their merged value."""

    documents: tuple[Document, ...]
    value: Any

    @classmethod
    def of(cls, documents: Sequence[Document]) -> Layers:
        merged: Any = {}
        for document in reversed(documents):
            merged = _merge(merged, document.value)
        return cls(tuple(documents), merged)

    def holder(self, path: NodePath) -> Document:
        """The document that the value at `path` comes from."""
        return next((each for each in self.documents if each.node(path) is not None), self.documents[-1])

    def span(self, path: NodePath, at_key: bool = False) -> tuple[Document, Span]:
        """Where `path` stands, or the nearest thing around it that stands somewhere."""
        for length in range(len(path), 0, -1):
            for document in self.documents:
                if document.node(path[:length]) is not None:
                    found = (document.key_span if at_key else document.span)(path[:length])
                    return document, found or WHOLE_FILE
        return next(document for document in self.documents if document.text), WHOLE_FILE

    def source_map(self, path: NodePath) -> SourceMap:
        """How the text at `path` lies in its file."""
        return self.holder(path).source_map(path)

    def diagnostic(
        self,
        path: NodePath,
        message: str,
        hint: str = "",
        *,
        at_key: bool = False,
        severity: Severity = "error",
        offset: int | None = None,
        length: int = 1,
    ) -> Diagnostic:
        """A problem where `path` stands, or at `offset` of the text there."""
        document, (line, column, span) = self.span(path, at_key)
        if offset is not None:
            position = position_at(document.source_map(path), offset)
            line, column, span = (*position, length) if position else (line, column, span)
        if not document.text:  # the command line has no lines
            line = column = 0
        return Diagnostic(document.path, line, column, message, hint, severity, span)


def _merge(lower: Any, upper: Any) -> Any:
    if not (isinstance(lower, dict) and isinstance(upper, dict)):
        return upper
    return {**lower, **{key: _merge(lower.get(key), value) for key, value in upper.items()}}


def chain(path: Path) -> Iterator[Document]:
    """The file, then each file that it extends. Raises ConfigError, located at the `extends:` that is wrong."""
    root = path.parent
    document = load_document(path)
    seen = {real(path)}
    while True:
        yield document
        named = document.value.get("extends") if isinstance(document.value, dict) else None
        if not isinstance(named, str):
            return
        target = _extended(document, named, root)
        if real(target) in seen or len(seen) > MAX_EXTENDS:
            raise _at_extends(document, f"{named!r} extends this file in turn")
        seen.add(real(target))
        document = load_document(target)


def _extended(document: Document, named: str, root: Path) -> Path:
    try:
        target = rooted(named, Path(document.path).parent, root)
    except Outside as error:
        raise _at_extends(document, str(error)) from None
    if kind_of(target) != "file":
        raise _at_extends(document, f"there is no file {named!r}")
    return target


def _at_extends(document: Document, message: str) -> ConfigError:
    line, column, length = document.span(("extends",)) or WHOLE_FILE
    return ConfigError([Diagnostic(document.path, line, column, f"extends: {message}", length=length)])


def from_settings(settings: Iterable[str]) -> Iterator[Document]:
    """`--set KEY.PATH=VALUE` as documents, the last and strongest first. Raises ConfigError with every problem."""
    diagnostics: list[Diagnostic] = []
    documents: list[Document] = []
    for setting in settings:
        try:
            documents.append(_from_setting(setting))
        except ConfigError as error:
            diagnostics += error.problems
    if diagnostics:
        raise ConfigError(diagnostics)
    return reversed(documents)


def _from_setting(setting: str) -> Document:
    where = f"--set {setting}"
    keys, equals, text = setting.partition("=")
    path = keys.strip().split(".")
    if not equals or not all(path):
        raise ConfigError([Diagnostic(where, 0, 0, "not a setting", "write --set KEY.PATH=VALUE")])
    if path[0] == "extends":
        raise ConfigError([Diagnostic(where, 0, 0, "extends: can only stand in a file")])
    try:
        found = load_documents(where, text=replace_surrogates(text))
    except ConfigError as error:
        wrong = [Diagnostic(where, 0, 0, each.message, each.hint) for each in error.problems]
        raise ConfigError(wrong) from None
    if not found:
        return setting_document(where, path, None)
    return setting_document(where, path, found[0].value, found[0].root)


def setting_document(where: str, path: Sequence[str], value: Any, node: Node | None = None) -> Document:
    """One value at `path`, given on the command line."""
    node = node or ScalarNode("", str(value))
    for key in reversed(path):
        node = MappingNode("", [(ScalarNode("", key), node)])
        value = {key: value}
    return Document(where, "", value, node)
