"""A YAML document of a transcript file: where its parts stand, and the diagnostics found in it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from runner.config.diagnostics import WHOLE_FILE, Diagnostic, Location
from runner.config.yaml.document import Document, NodeKey, NodePath

if TYPE_CHECKING:
    from runner.config.validation.schema_messages import SchemaViolation


class NodeLocation(NamedTuple):
    """The location of a node, looked up when somebody asks, which is seldom."""

    source: SourceDocument
    node_path: NodePath

    @property
    def location(self) -> Location:
        return self.source.location(*self.node_path)

    def at(self, *inner: NodeKey) -> NodeLocation:
        """The location of a node inside this one."""
        return NodeLocation(self.source, (*self.node_path, *inner))

    def inside(self, *node_path: NodeKey) -> Location:
        """The location of another node of the same document."""
        return self.source.location(*node_path)


class SourceDocument:
    """One document and the diagnostics found in it so far; `diagnostics` is shared by all documents of a load."""

    def __init__(self, document: Document, path: Path, diagnostics: list[Diagnostic]) -> None:
        self.document = document
        self.path = path
        self.diagnostics = diagnostics

    def location(self, *node_path: NodeKey) -> Location:
        """Where the key or item stands."""
        span = self.document.key_span(node_path) or self.document.span(()) or WHOLE_FILE
        return Location(self.path, span.line, span.column)

    def raw_text(self, *node_path: NodeKey) -> str:
        """The scalar as it is written, whatever YAML takes it for."""
        node = self.document.node(node_path)
        return str(node.value) if node is not None else ""

    def lazy_location(self, *node_path: NodeKey) -> NodeLocation:
        """Where the key or item stands, for later."""
        return NodeLocation(self, node_path)

    def report(self, node_path: NodePath, message: str, hint: str = "", *, at_key: bool = False) -> None:
        """Add a diagnostic at the value, or at its key."""
        span = self.document.key_span(node_path) if at_key else self.document.span(node_path)
        line, column, length = span or self.document.span(()) or WHOLE_FILE
        self.diagnostics.append(Diagnostic(str(self.path), line, column, message, hint, length=length))

    def report_violations(self, violations: Iterable[SchemaViolation]) -> None:
        """Add what the schema does not allow."""
        for violation in violations:
            self.report(violation.path, violation.message, violation.hint, at_key=violation.at_key)
