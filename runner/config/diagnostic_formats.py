"""Lists of diagnostics as text with source excerpts, JSON, GitHub workflow commands and SARIF."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import TextIOWrapper
from typing import Any

from runner.config.diagnostics import Diagnostic
from runner.core.files import open_regular
from runner.core.github_commands import workflow_command
from runner.core.sanitize import escape_json, escape_line, mask_unprintable
from runner.core.secrets import dot_out


def render_text(diagnostics: Sequence[Diagnostic], source: bool = False) -> str:
    """A line a diagnostic, as compilers write them; with `source` also the line of the file and a caret."""
    lines: list[str] = []
    files: dict[str, list[str]] = {}
    for diagnostic in diagnostics:
        lines.append(escape_line(str(diagnostic)))
        if source and diagnostic.line:
            if diagnostic.path not in files:
                files[diagnostic.path] = _source_lines(diagnostic.path)
            lines += _excerpt(diagnostic, files[diagnostic.path])
    return "\n".join(lines)


def _excerpt(diagnostic: Diagnostic, lines: Sequence[str]) -> list[str]:
    if diagnostic.line > len(lines):
        return []
    from shutil import get_terminal_size  # lazy: only a mistake needs it

    room = max(40, min(110, get_terminal_size().columns) - len("    7 | "))
    line = dot_out(lines[diagnostic.line - 1].replace("\t", " "))
    start = max(0, diagnostic.column - room * 3 // 5)
    shown = mask_unprintable(line[start : start + room])
    carets = "^" * max(1, min(diagnostic.length, len(shown) - (diagnostic.column - 1 - start)))
    return [f"{diagnostic.line:5} | {shown}", f"      | {' ' * (diagnostic.column - 1 - start)}{carets}"]


def _source_lines(path: str) -> list[str]:
    try:
        with TextIOWrapper(open_regular(path), "utf-8-sig", "replace", newline=None) as file:
            return file.read(4_000_000).split("\n")
    except OSError:
        return []


def render_json(diagnostics: Sequence[Diagnostic]) -> str:
    """An array of objects, for programs."""
    import json  # lazy

    return escape_json(json.dumps([_to_dict(diagnostic) for diagnostic in diagnostics], indent=2, ensure_ascii=False))


def _to_dict(diagnostic: Diagnostic) -> dict[str, Any]:
    return {
        "file": diagnostic.path,
        "line": diagnostic.line,
        "column": diagnostic.column,
        "length": diagnostic.length,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "hint": diagnostic.hint,
    }


def render_github(diagnostics: Sequence[Diagnostic]) -> str:
    """Workflow commands that GitHub shows beside the lines of a pull request."""
    lines = []
    for diagnostic in diagnostics:
        position = {"line": diagnostic.line, "col": diagnostic.column} if diagnostic.line else {}
        lines.append(workflow_command(diagnostic.severity, diagnostic.text, file=diagnostic.path, **position))
    return "\n".join(lines)


def render_sarif(diagnostics: Sequence[Diagnostic]) -> str:
    """SARIF 2.1.0, for code scanning."""
    import json  # lazy

    from runner import __version__

    rule = {"id": "agent-file", "shortDescription": {"text": "An agent or transcript file must be valid."}}
    driver = {"name": "agent-run", "version": __version__, "rules": [rule]}
    results = [_sarif_result(diagnostic) for diagnostic in diagnostics]
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }
    return escape_json(json.dumps(log, indent=2, ensure_ascii=False))


def _sarif_result(diagnostic: Diagnostic) -> dict[str, Any]:
    from urllib.parse import quote  # lazy

    location: dict[str, Any] = {"artifactLocation": {"uri": quote(diagnostic.path.replace("\\", "/"))}}
    if diagnostic.line:
        end = diagnostic.column + diagnostic.length
        location["region"] = {"startLine": diagnostic.line, "startColumn": diagnostic.column, "endColumn": end}
    return {
        "ruleId": "agent-file",
        "level": diagnostic.severity,
        "message": {"text": diagnostic.text},
        "locations": [{"physicalLocation": location}],
    }


FORMATS: Mapping[str, Callable[[Sequence[Diagnostic]], str]] = {
    "text": render_text,
    "json": render_json,
    "github": render_github,
    "sarif": render_sarif,
}
