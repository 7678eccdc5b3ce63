"""Layers of configuration: the command line over the agent file over what it extends, merged into one value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from yaml.nodes import MappingNode, Node, ScalarNode

from runner.config.diagnostics import WHOLE_FILE, Diagnostic, Severity, SourceMap, Span
from runner.config.paths import OutsideFolder, path_kind, real_path, resolve_within
from runner.config.yaml.document import Document, NodePath, position_at
from runner.config.yaml.parser import load_document, load_documents
from runner.core.errors import ConfigError
from runner.core.sanitize import replace_surrogates

if TYPE_CHECKING:
    from runner.config.validation.schema_messages import SchemaViolation

MAX_EXTENDS = 16


class Layers(NamedTuple):
    """Documents, the strongest first, and their merged value."""

    documents: tuple[Document, ...]
    value: Any

    @classmethod
    def of(cls, documents: Sequence[Document]) -> Layers:
        merged: Any = {}
        for document in reversed(documents):
            merged = _merge(merged, document.value)
        return cls(tuple(documents), merged)

    def document_of(self, path: NodePath) -> Document:
        """The document that the value at `path` comes from."""
        return next((document for document in self.documents if document.node(path) is not None), self.documents[-1])

    def span(self, path: NodePath, at_key: bool = False) -> tuple[Document, Span]:
        """Where `path` stands, or the nearest thing around it that stands somewhere."""
        for length in range(len(path), 0, -1):
            for document in self.documents:
                if document.node(path[:length]) is not None:
                    span = (document.key_span if at_key else document.span)(path[:length])
                    return document, span or WHOLE_FILE
        return next(document for document in self.documents if document.text), WHOLE_FILE

    def source_map(self, path: NodePath) -> SourceMap:
        """How the text at `path` lies in its file."""
        return self.document_of(path).source_map(path)

    def diagnostic(
        self,
        path: NodePath,
        message: str,
        hint: str = "",
        *,
        at_key: bool = False,
        severity: Severity = "error",
        within: tuple[int, int] | None = None,
    ) -> Diagnostic:
        """A diagnostic where `path` stands, or `within` the text there: from one offset to another."""
        document, (line, column, span_length) = self.span(path, at_key)
        if within and (position := position_at(document.source_map(path), within[0])):
            line, column, span_length = *position, within[1] - within[0]
        if not document.text:  # the command line has no lines
            line = column = 0
        return Diagnostic(document.path, line, column, message, hint, severity, span_length)

    def violation_diagnostics(self, violations: Iterable[SchemaViolation]) -> list[Diagnostic]:
        """What the schema does not allow, each where it stands."""
        return [
            self.diagnostic(violation.path, violation.message, violation.hint, at_key=violation.at_key)
            for violation in violations
        ]


def _merge(lower: Any, upper: Any) -> Any:
    if not (isinstance(lower, dict) and isinstance(upper, dict)):
        return upper
    return {**lower, **{key: _merge(lower.get(key), value) for key, value in upper.items()}}


def extends_chain(path: Path) -> Iterator[Document]:
    """The file, then each file that it extends. Raises ConfigError, located at the `extends:` that is wrong."""
    root = path.parent
    document = load_document(path)
    seen = {real_path(path)}
    while True:
        yield document
        name = document.value.get("extends") if isinstance(document.value, dict) else None
        if not isinstance(name, str):
            return
        target = _extended_file(document, name, root)
        if real_path(target) in seen or len(seen) > MAX_EXTENDS:
            raise _extends_error(document, f"{name!r} extends this file in turn")
        seen.add(real_path(target))
        document = load_document(target)


def _extended_file(document: Document, name: str, root: Path) -> Path:
    try:
        target = resolve_within(name, Path(document.path).parent, root)
    except OutsideFolder as error:
        raise _extends_error(document, str(error)) from None
    if path_kind(target) != "file":
        raise _extends_error(document, f"there is no file {name!r}")
    return target


def _extends_error(document: Document, message: str) -> ConfigError:
    line, column, length = document.span(("extends",)) or WHOLE_FILE
    return ConfigError([Diagnostic(document.path, line, column, f"extends: {message}", length=length)])


def override_documents(overrides: Iterable[str]) -> Iterator[Document]:
    """`--set KEY.PATH=VALUE` as documents, the last and strongest first. Raises ConfigError with every problem."""
    diagnostics: list[Diagnostic] = []
    documents: list[Document] = []
    for override in overrides:
        try:
            documents.append(_parse_override(override))
        except ConfigError as error:
            diagnostics += error.problems
    if diagnostics:
        raise ConfigError(diagnostics)
    return reversed(documents)


def _parse_override(override: str) -> Document:
    where = f"--set {override}"
    keys, equals, text = override.partition("=")
    path = keys.strip().split(".")
    if not equals or not all(path):
        raise ConfigError([Diagnostic(where, 0, 0, "not a setting", "write --set KEY.PATH=VALUE")])
    if path[0] == "extends":
        raise ConfigError([Diagnostic(where, 0, 0, "extends: can only stand in a file")])
    try:
        documents = load_documents(where, text=replace_surrogates(text))
    except ConfigError as error:
        diagnostics = [Diagnostic(where, 0, 0, diagnostic.message, diagnostic.hint) for diagnostic in error.problems]
        raise ConfigError(diagnostics) from None
    if not documents:
        return override_document(where, path, None)
    return override_document(where, path, documents[0].value, documents[0].root)


def override_document(where: str, path: Sequence[str], value: Any, node: Node | None = None) -> Document:
    """One value at `path`, given on the command line."""
    node = node or ScalarNode("", str(value))
    for key in reversed(path):
        node = MappingNode("", [(ScalarNode("", key), node)])
        value = {key: value}
    return Document(where, "", value, node)
