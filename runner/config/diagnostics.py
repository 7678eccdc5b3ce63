"""What is wrong with a file, and at which line and column; and how a list of problems is written down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from runner.core.secrets import masked

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake, and in `hint` the way out.

    `line` and `column` count from 1, and are 0 where a whole file is meant; a caret underlines `length` characters.
    """

    path: str
    line: int
    column: int
    message: str
    hint: str = ""
    severity: Severity = "error"
    length: int = 1

    @property
    def where(self) -> str:
        return f"{self.path}:{self.line}:{self.column}" if self.line else self.path

    @property
    def text(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def __str__(self) -> str:
        return f"{self.where}: {self.severity}: {self.text}"


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Each problem once, by file, line and column."""
    return tuple(sorted(set(problems)))


def nearest(name: str, known: Iterable[str]) -> str:
    """The hint `did you mean 'x'?` for a misspelt name, or nothing."""
    from difflib import get_close_matches  # lazy: only a mistake needs it

    names = [each for each in known if isinstance(each, str)]
    found = get_close_matches(name.lower(), names, 1, 0.6)
    found = found or [each for each in names if len(name) > 2 and each.startswith(name.lower())]
    return f"did you mean {found[0]!r}?" if found else ""


def render_text(problems: Sequence[Problem], source: bool = False) -> str:
    """A line a problem, as compilers write them; with `source` also the line of the file and a caret."""
    lines: list[str] = []
    files: dict[str, list[str]] = {}
    for problem in problems:
        lines.append(_one_line(str(problem)))
        if source and problem.line:
            if problem.path not in files:
                files[problem.path] = _source_lines(problem.path)
            lines += _excerpt(problem, files[problem.path])
    return "\n".join(lines)


def _excerpt(problem: Problem, lines: Sequence[str]) -> list[str]:
    if problem.line > len(lines):
        return []
    from shutil import get_terminal_size  # lazy: only a mistake needs it

    room = max(40, min(110, get_terminal_size().columns) - len("    7 | "))
    line = masked(lines[problem.line - 1].replace("\t", " "))
    start = max(0, problem.column - room * 3 // 5)
    shown = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in line[start : start + room])
    carets = "^" * max(1, min(problem.length, len(shown) - (problem.column - 1 - start)))
    return [f"{problem.line:5} | {shown}", f"      | {' ' * (problem.column - 1 - start)}{carets}"]


def _source_lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8-sig", errors="replace", newline=None) as file:
            return file.read(4_000_000).split("\n")
    except OSError:
        return []


def _one_line(text: str) -> str:
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text)


def render_json(problems: Sequence[Problem]) -> str:
    """An array of objects, for programs."""
    import json  # lazy

    return json.dumps([_to_dict(problem) for problem in problems], indent=2, ensure_ascii=False)


def _to_dict(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.path,
        "line": problem.line,
        "column": problem.column,
        "length": problem.length,
        "severity": problem.severity,
        "message": problem.message,
        "hint": problem.hint,
    }


def render_github(problems: Sequence[Problem]) -> str:
    """Workflow commands that GitHub shows beside the lines of a pull request."""
    lines = []
    for problem in problems:
        place = f"file={_property(problem.path)}"
        if problem.line:
            place += f",line={problem.line},col={problem.column}"
        lines.append(f"::{problem.severity} {place}::{_data(problem.text)}")
    return "\n".join(lines)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def render_sarif(problems: Sequence[Problem]) -> str:
    """SARIF 2.1.0, for code scanning."""
    import json  # lazy

    from runner import __version__

    rule = {"id": "agent-file", "shortDescription": {"text": "An agent or transcript file must be valid."}}
    driver = {"name": "agent-run", "version": __version__, "rules": [rule]}
    results = [_sarif_result(problem) for problem in problems]
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }
    return json.dumps(log, indent=2, ensure_ascii=False)


def _sarif_result(problem: Problem) -> dict[str, Any]:
    from urllib.parse import quote  # lazy

    place: dict[str, Any] = {"artifactLocation": {"uri": quote(problem.path.replace("\\", "/"))}}
    if problem.line:
        end = problem.column + problem.length
        place["region"] = {"startLine": problem.line, "startColumn": problem.column, "endColumn": end}
    return {
        "ruleId": "agent-file",
        "level": problem.severity,
        "message": {"text": problem.text},
        "locations": [{"physicalLocation": place}],
    }


FORMATS: Mapping[str, Callable[[Sequence[Problem]], str]] = {
    "text": render_text,
    "json": render_json,
    "github": render_github,
    "sarif": render_sarif,
}
