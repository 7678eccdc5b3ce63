"""Where things stand in one document of a file, and what is wrong there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from runner.config.agent import Place
from runner.config.diagnostics import Problem
from runner.config.validation.schema import Mistake
from runner.config.yaml.parser import Document
from runner.transcripts.model import Route


class Spot(NamedTuple):
    """A place that is looked up when somebody asks, which is seldom."""

    sheet: Sheet
    route: Route

    @property
    def place(self) -> Place:
        return self.sheet.place(*self.route)


class Sheet:
    """One document and the problems found in it so far; `problems` is shared by all sheets of a load."""

    def __init__(self, document: Document, path: Path, problems: list[Problem]) -> None:
        self.document = document
        self.path = path
        self.problems = problems

    def place(self, *route: str | int) -> Place:
        """Where the key or item at the route stands."""
        line, column, _ = self.document.key_span(route) or self.document.span(()) or (1, 1, 1)
        return Place(self.path, line, column)

    def source(self, *route: str | int) -> str:
        """The word that stands at the route, whatever YAML takes it for."""
        node = self.document.node(route)
        return str(node.value) if node is not None else ""

    def spot(self, *route: str | int) -> Spot:
        """The same, for later."""
        return Spot(self, route)

    def problem(self, route: Route, message: str, hint: str = "", *, at_key: bool = False) -> None:
        spot = self.document.key_span(route) if at_key else self.document.span(route)
        line, column, length = spot or self.document.span(()) or (1, 1, 1)
        self.problems.append(Problem(str(self.path), line, column, message, hint, length=length))

    def mistakes(self, found: Iterable[Mistake]) -> None:
        """Take over what the schema does not allow."""
        for mistake in found:
            self.problem(mistake.path, mistake.message, mistake.hint, at_key=mistake.at_key)
