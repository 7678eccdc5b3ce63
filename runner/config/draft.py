"""An agent file on its way to an Agent: its merged value, where each part stands, and what is already known wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.config.agent import User
from runner.config.diagnostics import Diagnostic, Location
from runner.config.layers import Layers
from runner.config.paths import Outside, kind_of, rooted
from runner.config.validation.schema import SchemaViolation, dotted
from runner.config.yaml.document import NodeKey, NodePath


@dataclass(frozen=True, slots=True)
class Draft:
    """`value` has its placeholders filled; `mistakes` are those of shape, so that sense is asked of sound parts alone.

    `from_user` holds the paths that begin with a value of the user's own environment: those may lead anywhere.
    `unfilled` holds those whose variable is not set, of which nothing more can be said; `secrets`, what the
    placeholders brought in.
    """

    path: Path
    value: Mapping[str, Any]
    layers: Layers
    user: User
    mistakes: Sequence[SchemaViolation]
    from_user: Set[NodePath]
    unfilled: Set[NodePath]
    secrets: Mapping[str, str]

    def sound(self, *path: NodeKey) -> bool:
        """Whether something stands at `path`, and its shape is right in and around it."""
        if any(_related(mistake.path, path) for mistake in self.mistakes):
            return False
        found: Any = self.value
        for key in path:
            if not isinstance(found, dict | list) or (isinstance(found, dict) and key not in found):
                return False
            found = found[key]  # type: ignore[index]
        return True

    def diagnostic(self, path: NodePath, message: str, hint: str = "", **more: Any) -> Diagnostic:
        """A problem at `path`, which begins its message."""
        return self.layers.diagnostic(path, f"{dotted(path)}: {message}", hint, **more)

    def location(self, *path: NodeKey) -> Location:
        """Where the key of `path` stands."""
        document, (line, column, _) = self.layers.span(path, at_key=True)
        return Location(Path(document.path), line, column)

    def folder(self, path: NodePath) -> Path:
        """The folder that a path which stands at `path` begins from: that of its file."""
        document = self.layers.holder(path)
        return Path(document.path).parent if document.text else self.path.parent

    def file(self, path: NodePath, named: str) -> Path:
        """The file or folder that the text at `path` names. Raises Outside."""
        folder = self.folder(path)
        if path in self.from_user:
            return folder / named
        return rooted(named, folder, self.path.parent)

    def misplaced(self, path: NodePath, named: str, *, wanted: str = "") -> Diagnostic | None:
        """What is wrong with a path: it leads out, or no `wanted` file or folder is there."""
        if path in self.unfilled:
            return None
        try:
            found = kind_of(self.file(path, named))
        except Outside as error:
            return self.diagnostic(path, str(error))
        return self.diagnostic(path, f"there is no {wanted} {named!r}") if wanted and found != wanted else None


def _related(wrong: NodePath, path: NodePath) -> bool:
    shared = min(len(wrong), len(path))
    return tuple(wrong[:shared]) == tuple(path[:shared])
