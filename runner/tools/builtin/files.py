"""`files:`, the files below one folder: read, list, search, and where the agent file allows it write and edit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Annotated, Any

from runner.core.errors import UsageError
from runner.tools.builtin.rooted_folder import PathRefused, RootedFolder, path_names
from runner.tools.context import ToolFailed
from runner.tools.entry import ToolEntry, ToolSettings
from runner.tools.function import FunctionTool
from runner.tools.protocols import Tool

_MOST_PATHS = 1_000
_MOST_LINES = 2_000
_MOST_MATCHES = 200
_LINE = 300

Change = Callable[..., tuple[str, str]]
"""The text of a file before and after a call with these arguments. Raises ToolFailed."""

FilePath = Annotated[str, "Relative to the root folder, with '/'."]


def open_files(entry: ToolEntry, settings: ToolSettings) -> Sequence[Tool]:
    """The tools of a `files:` entry. Raises UsageError."""
    options = entry.options
    root = (entry.folder / options.get("root", ".")).resolve()
    if not root.is_dir() and (root.exists() or not options.get("write")):
        raise UsageError(f"there is no folder {root}", where=entry.where, fix="make it, or change files.root")
    files = Files(RootedFolder(root))
    timeout = options.get("timeout")
    readers: list[Callable[..., Any]] = [files.read, files.list, files.search]
    writers: list[tuple[Callable[..., Any], Change]] = []
    if options.get("write"):
        writers = [(files.write, files.write_change), (files.edit, files.edit_change)]
    return [
        *(_FileTool(method, name=f"files_{method.__name__}", effects="read", timeout=timeout) for method in readers),
        *(
            _WritingTool(method, name=f"files_{method.__name__}", effects="write", timeout=timeout, change=change)
            for method, change in writers
        ),
    ]


class _FileTool(FunctionTool):
    """A tool whose calls stand for the path that they name."""

    kind = "files"
    separator = "_"

    def pattern_spellings(self, pattern: str) -> tuple[str, ...]:
        """The pattern as paths are spelled here, `a/../x` as `x`; of one that ends in `/`, all that is below, too."""
        if not pattern.strip("/") or pattern.startswith(("*", "?")):
            return (pattern,)
        names = list[str]()
        for name in pattern.split("/"):
            if name == ".." and names and not {"*", "?"}.intersection(names[-1]):
                names.pop()
            elif name not in ("", "."):
                names.append(name)
        folded = ("/" if pattern.startswith("/") else "") + "/".join(names) or "."
        return (folded, f"{folded}/*") if pattern.endswith("/") else (folded,)

    def canonical(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        with _errors_for_the_model():
            return {**arguments, "path": "/".join(path_names(arguments["path"])) or "."}

    def subjects(self, arguments: Mapping[str, Any]) -> tuple[str, ...]:
        return (arguments["path"],)


class _WritingTool(_FileTool):
    """A tool that changes a file, and can show how before it does."""

    def __init__(self, method: Callable[..., Any], *, change: Change, **options: Any) -> None:
        super().__init__(method, **options)
        self._change = change

    def preview(self, arguments: Mapping[str, Any]) -> str:
        """The change as a unified diff without file names; empty where there is none."""
        from difflib import unified_diff  # lazy: only what is asked about is shown

        before, after = (text.splitlines() for text in self._change(**arguments))
        return "\n".join([*unified_diff(before, after, lineterm="")][2:])


class Files:
    """What can be done with the files below a root."""

    def __init__(self, root: RootedFolder) -> None:
        self._root = root

    def read(
        self,
        path: FilePath,
        first_line: Annotated[int, "The first line to read, from 1."] = 1,
        last_line: Annotated[int | None, "The last line to read; the end of the file if left out."] = None,
    ) -> str:
        """Read a text file, whole or some of its lines."""
        lines = _lines(self._text(path))
        first, last = max(1, first_line), min(last_line or len(lines), len(lines), max(1, first_line) + _MOST_LINES - 1)
        text = "".join(lines[first - 1 : last])
        if first == 1 and last == len(lines):
            return text
        if first > len(lines):
            return f"(the file has {len(lines)} lines)"
        return f"(lines {first} to {last} of {len(lines)})\n{text}"

    def list(
        self,
        path: Annotated[str, "The folder, relative to the root folder."] = ".",
        pattern: Annotated[str, "A glob such as '*.md', or '**/*.md' for subfolders, too."] = "*",
    ) -> str:
        """List files and folders; folders end with '/'."""
        with _errors_for_the_model():
            paths = [
                f"{name}/" if folder else name
                for name, folder in islice(self._root.files(path, pattern), _MOST_PATHS + 1)
            ]
        return _listed(paths, _MOST_PATHS, "Nothing matches.")

    def search(
        self,
        text: Annotated[str, "The text to look for, as it stands; not an expression."],
        path: Annotated[str, "The folder to look in, relative to the root folder."] = ".",
        pattern: Annotated[str, "A glob for the files to look in."] = "**",
        ignore_case: Annotated[bool, "Take A for a."] = True,
    ) -> str:
        """Find the lines that contain a text."""
        if not text:
            raise ToolFailed("There is nothing to look for: text is empty.")
        with _errors_for_the_model():
            lines = list(islice(self._matches(text, path, pattern, ignore_case), _MOST_MATCHES + 1))
        return _listed(lines, _MOST_MATCHES, "No line contains it.")

    def write(self, path: FilePath, content: str) -> str:
        """Write a text file; one that is there is replaced."""
        with _errors_for_the_model():
            new = self._root.write(path, content.encode())
        return f"{'Wrote' if new else 'Replaced'} {path} ({len(content.encode())} bytes)."

    def edit(
        self,
        path: FilePath,
        old: Annotated[str, "The passage to replace, exactly as it stands; it must occur once."],
        new: Annotated[str, "What to put in its place."],
    ) -> str:
        """Replace one passage of a text file."""
        before, old, new, after = self._parts(path, old, new)
        with _errors_for_the_model():
            self._root.write(path, f"{before}{new}{after}".encode())
        return f"Edited {path}, at line {before.count(chr(10)) + 1}."

    def write_change(self, path: str, content: str) -> tuple[str, str]:
        """The file's text now, empty if it is new, and after `write`. Raises ToolFailed where it is no text."""
        with _errors_for_the_model():
            try:
                self._root.read(path)
            except FileNotFoundError:
                return "", content
        return self._text(path), content

    def edit_change(self, path: str, old: str, new: str) -> tuple[str, str]:
        """The file's text now and after `edit`. Raises ToolFailed."""
        before, old, new, after = self._parts(path, old, new)
        return f"{before}{old}{after}", f"{before}{new}{after}"

    def _parts(self, path: str, old: str, new: str) -> tuple[str, str, str, str]:
        """The text before the passage, the passage and its replacement as the file has line ends, the text after."""
        text = self._text(path)
        if "\r\n" in text and "\r\n" not in old:
            old, new = old.replace("\n", "\r\n"), new.replace("\n", "\r\n")
        count = text.count(old) if old else 0
        if count != 1:
            why = (
                f"occurs {count} times: give more of what is around it"
                if count
                else "does not occur: read the file first"
            )
            raise ToolFailed(f"Nothing was changed. The passage must occur exactly once in {path}, but it {why}.")
        before, _, after = text.partition(old)
        return before, old, new, after

    def _text(self, path: str) -> str:
        with _errors_for_the_model():
            data = self._root.read(path)
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            raise ToolFailed(f"{path} is no text file ({len(data)} bytes).")
        return text

    def _matches(self, text: str, path: str, pattern: str, ignore_case: bool) -> Iterator[str]:
        text_sought = text.casefold() if ignore_case else text
        for name, folder in self._root.files(path, pattern):
            try:
                lines = [] if folder else _lines(self._text(name))
            except ToolFailed:
                continue
            for number, line in enumerate(lines, 1):
                if text_sought in (line.casefold() if ignore_case else line):
                    yield f"{name}:{number}: {line.strip()[:_LINE]}"


def _lines(text: str) -> list[str]:
    """The lines with their ends, as an editor counts them: `splitlines` would count U+2028 and form feeds, too."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _listed(entries: Sequence[str], most: int, none: str) -> str:
    if len(entries) > most:
        entries = [*entries[:most], f"(more than {most}: narrow it down)"]
    return "\n".join(entries) or none


@contextmanager
def _errors_for_the_model() -> Iterator[None]:
    """Turn errors of a file into failed results for the model."""
    try:
        yield
    except PathRefused as error:
        raise ToolFailed(f"{error}.") from None
    except OSError as error:
        raise ToolFailed(_reason(error)) from None


def _reason(error: OSError) -> str:
    import errno  # lazy: only where something failed

    if error.errno == errno.ELOOP or isinstance(error, NotADirectoryError):
        return f"{error.filename}: a link, or no folder; links are not followed."
    return f"{error.filename}: {error.strerror}."
