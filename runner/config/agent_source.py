"""An agent file before it is checked: its merged value, and where each part of it stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import Any, NamedTuple

from runner.config.agent import UserConfig
from runner.config.diagnostics import Diagnostic, Location
from runner.config.layers import Layers
from runner.config.paths import OutsideFolder, path_kind, resolve_within
from runner.config.yaml.document import NodeKey, NodePath, dotted_path


class InvalidPaths:
    """The paths of what a schema does not allow, asked once for each part of a file."""

    def __init__(self, paths: Iterable[NodePath]) -> None:
        self._paths = frozenset(paths)
        self._around = {path[:length] for path in self._paths for length in range(len(path) + 1)}

    @property
    def hold_all(self) -> bool:
        """Whether nothing can be said to be valid: the file as a whole is wrong, or not all that is wrong is known."""
        return () in self._paths

    def touch(self, path: NodePath) -> bool:
        """Whether what stands at `path` is wrong, or anything in or around it."""
        return path in self._around or any(path[:length] in self._paths for length in range(len(path)))


class AgentSource(NamedTuple):
    """`value` has its placeholders filled; what is at the `invalid` paths is not checked any further.

    `from_user` holds the paths that begin with a value of the user's own environment: those may lead anywhere.
    `unfilled` holds those whose variable is not set, of which nothing more can be said; `secrets`, what the
    placeholders brought in; `sent`, the paths whose placeholders hold more than an address, with a variable of each.
    """

    path: Path
    value: Mapping[str, Any]
    layers: Layers
    user: UserConfig
    invalid: InvalidPaths
    from_user: Set[NodePath]
    unfilled: Set[NodePath]
    secrets: Mapping[str, str]
    sent: Mapping[NodePath, str]

    def is_valid(self, *path: NodeKey) -> bool:
        """Whether something stands at `path`, and the schema allows it and all that is in and around it."""
        if self.invalid.touch(path):
            return False
        value: Any = self.value
        for key in path:
            if not isinstance(value, dict | list) or (isinstance(value, dict) and key not in value):
                return False
            value = value[key]  # type: ignore[index]
        return True

    def diagnostic(self, path: NodePath, message: str, hint: str = "", **more: Any) -> Diagnostic:
        """A diagnostic at `path`, which begins its message."""
        return self.layers.diagnostic(path, f"{dotted_path(path)}: {message}", hint, **more)

    def location(self, *path: NodeKey) -> Location:
        """Where the key of `path` stands."""
        document, (line, column, _) = self.layers.span(path, at_key=True)
        return Location(Path(document.path), line, column)

    def folder(self, path: NodePath) -> Path:
        """The folder that a path which stands at `path` begins from: that of its file."""
        document = self.layers.document_of(path)
        return Path(document.path).parent if document.text else self.path.parent

    def file(self, path: NodePath, name: str) -> Path:
        """The file or folder that the text at `path` names. Raises OutsideFolder."""
        folder = self.folder(path)
        if path in self.from_user:
            return folder / name
        return resolve_within(name, folder, self.path.parent)

    def path_diagnostic(self, path: NodePath, name: str, *, expected: str = "") -> Diagnostic | None:
        """What is wrong with a path: it leads out of the agent's folder, or there is no `expected`: file or folder."""
        if path in self.unfilled:
            return None
        try:
            kind = path_kind(self.file(path, name))
        except OutsideFolder as error:
            return self.diagnostic(path, str(error))
        return self.diagnostic(path, f"there is no {expected} {name!r}") if expected and kind != expected else None
