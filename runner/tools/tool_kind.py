"""A kind of tool as one record: all that the rest of the program asks about it, filled in by its file in `kinds/`.

A record says how an entry of the kind reads, what is wrong with one, what it can do and which files it is made of, and
how its tools are opened. Nothing but `open` runs, imports or contacts what an entry names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from runner.core.messages import Effects
from runner.tools.entry import ToolEntry, ToolSettings
from runner.tools.protocols import Tool, ToolSource

if TYPE_CHECKING:
    from runner.core.capability import Capability

Options = Mapping[str, Any]
Schema = Mapping[str, Any]
SourceText = Callable[[str], tuple[Path, str] | None]
"""The path and the text of the file that an option names; None where it names none that is there. Raises ConfigError.
"""


class PathOption(NamedTuple):
    """A path that an option names, and what must be there; "" where it may still be missing."""

    path: str
    must_be: Literal["file", "folder", ""]


class NamedFile(NamedTuple):
    """A file, by its real path, that an entry names; `is_data`: what is run reads or writes it, and does not run it."""

    path: Path
    is_data: bool = False


class EntryProblem(NamedTuple):
    """What is wrong with an entry: `path` leads to it from the entry's options.

    `at_key` blames the last key of the path and not its value. One with a `file` is at a line and column of that file.
    """

    path: tuple[str | int, ...]
    message: str
    hint: str = ""
    at_key: bool = False
    file: Path | None = None
    line: int = 1
    column: int = 1
    severity: Literal["error", "warning"] = "error"


def _nothing(entry: ToolEntry) -> tuple[()]:
    return ()


def _no_problem(entry: ToolEntry, text_of: SourceText) -> tuple[()]:
    return ()


def _nothing_to_accept(entry: ToolEntry) -> None:
    return None


def _never(entry: ToolEntry) -> bool:
    return False


def _any_name(entry: ToolEntry, name: str) -> bool:
    return True


def always(entry: ToolEntry) -> bool:
    """For what holds of any entry of the kind."""
    return True


class ToolKind(NamedTuple):
    """One kind of tool.

    How an entry reads: `summary` and `schema` are its part of agent.schema.json; `shorthand` is the option that a bare
    text stands for (`python: ./tools.py:lookup`); `default_name` gives the name of an entry without `name:`, which is
    the kind's own unless it is set. `naming` says how its tools are called: an entry of "own" is one tool of the
    entry's name, of "kind" several behind the kind's name (`files_read`), of "group" several behind the entry's
    (`NAME__tool`). `offers` are the tools behind the kind's name. `env_fields` are the options in which
    `${env:NAME}` is filled in.

    What is wrong with one: `paths` are the options that name a file or folder, `check` yields what else is wrong.

    What it can do: `capabilities(entry, folder)` is what consent is asked for, `folder` being the agent file's; `files`
    are the files that it runs and that consent covers: `open`, and a tool before it runs one, has them checked by the
    settings; `agent_files` are the agent files that it runs; `accept_changes` takes what a server offers from now on as
    seen.

    `url(entry)` is where its requests go, "" for none.

    How it is opened: `open` makes the tools and raises UsageError. `opens_safely(entry)`: opening it runs, imports and
    contacts nothing, so that `show` may. `imports(entry)`: opening it runs code that is not ours, which may name its
    tool otherwise than the entry unless `name_is_sure(entry)`. `served`: a server tells its tools; its entries have the
    option `required`. Where a replay does not open an entry, it takes its tools from the recording: `shown_options` are
    the options that decide what the model is told, and `selects` whether a tool of that name passes the entry's own
    filter. `built_in(entry)`: its tools are ours, so that a replay runs them without consent. `effects` are what an
    entry that is not opened counts as, where it declares none. `extra` is the optional dependency it needs, `program`
    the argument list of a program that it starts, for `doctor`.
    """

    name: str
    summary: str
    schema: Schema
    open: Callable[[ToolEntry, ToolSettings], Iterable[Tool | ToolSource]]
    capabilities: Callable[[ToolEntry, Path], Iterable[Capability]]
    shorthand: str = ""
    default_name: Callable[[Options], str] | None = None
    naming: Literal["own", "kind", "group"] = "own"
    offers: tuple[str, ...] = ()
    env_fields: frozenset[str] = frozenset()
    paths: Callable[[ToolEntry], Mapping[str, PathOption]] = lambda entry: {}
    check: Callable[[ToolEntry, SourceText], Iterable[EntryProblem]] = _no_problem
    files: Callable[[ToolEntry], Iterable[NamedFile]] = _nothing
    agent_files: Callable[[ToolEntry], Iterable[Path]] = _nothing
    accept_changes: Callable[[ToolEntry], None] = _nothing_to_accept
    url: Callable[[ToolEntry], str] = lambda entry: str(entry.options.get("url", ""))
    opens_safely: Callable[[ToolEntry], bool] = _never
    imports: Callable[[ToolEntry], bool] = _never
    name_is_sure: Callable[[ToolEntry], bool] = always
    served: bool = False
    shown_options: frozenset[str] = frozenset()
    selects: Callable[[ToolEntry, str], bool] = _any_name
    built_in: Callable[[ToolEntry], bool] = _never
    effects: Effects = "exec"
    extra: str = ""
    program: Callable[[ToolEntry], Sequence[str]] = _nothing

    def entry_name(self, options: Options) -> str:
        """The name of an entry with these options."""
        if name := options.get("name"):
            return str(name)
        return self.name if self.default_name is None else self.default_name(options)

    def prefix(self, entry: ToolEntry) -> str | None:
        """How the names of the entry's tools begin; None where it is one tool of its own name."""
        if self.naming == "own":
            return None
        if self.naming == "kind":
            return f"{self.name}_"
        return f"{entry.name}__" if entry.name else ""

    def may_give(self, entry: ToolEntry, name: str) -> bool:
        """Whether a tool of that name may be one of the entry's, as far as the entry tells without being opened."""
        prefix = self.prefix(entry)
        return name == entry.name if prefix is None else name.startswith(prefix) and self.selects(entry, name)

    def branch(self) -> Schema:
        """What an entry of this kind looks like, as agent.schema.json has it under `tool`."""
        return {
            "type": "object",
            "title": f"{self.name}:",
            "description": self.summary,
            "additionalProperties": False,
            "required": [self.name],
            "properties": {self.name: {"$ref": f"#/$defs/{self.name}_tool"}},
        }
