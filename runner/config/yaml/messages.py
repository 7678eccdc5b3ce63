"""YAML wording: the parsers' errors as diagnostics, with what is wrong and what to write instead."""

from __future__ import annotations

import re
from typing import Any

from runner.config.diagnostics import Diagnostic

_QUOTE = "quote the whole value"
_UNCLOSED = ("unterminated string, opened at line {opened}", "add the closing quote")
_BLOCK_TEXT = ("a block text begins on the next line", "end this line after | or >")
_TAB = ("tabs cannot be used for indentation", "use spaces")
_NO_CHARACTER = ("invalid Unicode escape", "write the character itself, not a pair of surrogates")

# What a problem's text contains, in the words of libyaml and of PyYAML's own parser -> (message, hint). The first
# row that matches counts; `{opened}` is the line where the unfinished thing began.
_WORDINGS: tuple[tuple[str, tuple[str, str]], ...] = (
    (
        "mapping values are not allowed",
        ("unexpected ':'", f"{_QUOTE}, or check the indentation of this line"),
    ),
    ("expected (key$|<block end>)", ("bad indentation: this line belongs to no open mapping", "check its indentation")),
    ("expected '-'", ("the list that began at line {opened} goes on here without a '-'", "check its indentation")),
    ("expected ',' or ']'", ("the list opened at line {opened} is not closed", "add ',' or ']'")),
    ("expected ',' or '}'", ("the mapping opened at line {opened} is not closed", "add ',' or '}}'")),
    ("unexpected (end of stream|document (indicator|separator))", _UNCLOSED),
    ("unknown escape", ("unknown escape in a double-quoted string", "double the backslash, or use single quotes")),
    ("invalid Unicode", _NO_CHARACTER),
    ("undefined alias", ("undefined alias", "define it with &name, or quote the '*'")),
    ("second occurrence", ("duplicate anchor, first at line {opened}", "give it another name")),
    ("expected ':'", ("missing ':' after a key", "write KEY: VALUE, or quote a text of several lines")),
    ("expected (a )?comment|expected chomping", _BLOCK_TEXT),
    ("undefined tag handle", ("tags are not allowed", "quote the '!'")),
    ("expected alphabetic", ("an anchor or alias without a name", _QUOTE)),
    ("expected whitespace", ("a space is missing here", _QUOTE)),
    ("expected (the )?node content", ("a value is missing here", "")),
    (
        "expected '?<document start>",
        ("a value has ended, and another begins without a '---'", "check the indentation"),
    ),
    ("found a tab character where", _TAB),
)


def yaml_diagnostic(error: Any, path: str, text: str) -> Diagnostic:
    """The parser's error as a diagnostic."""
    mark = getattr(error, "problem_mark", None)
    if mark is None and (mark := getattr(error, "context_mark", None)) is None:
        return _character_diagnostic(error, path, text)
    opened = error.context_mark or mark
    problem, context = error.problem or error.context or "not YAML", error.context or ""
    if "block collection" in context and "<block end>" in problem:
        problem = "expected '-'"  # PyYAML's own parser names what it found alone
    at = mark.index
    if context.startswith("while scanning a quoted scalar") and "end of stream" in problem:
        at = opened.index
    elif "unknown escape" in problem:
        at = text.rfind("\\", 0, at + 1)  # the parsers point before and behind the backslash
    line, column = _position(text, at) if at < len(text) else _end_position(text)
    message, hint = _wording(problem, text[at : at + 1])
    return Diagnostic(path, line + 1, column + 1, message.format(opened=opened.line + 1), hint.replace("}}", "}"))


def _wording(problem: str, char: str) -> tuple[str, str]:
    if "cannot start any token" in problem:
        if char == "\t":
            return _TAB
        shown = char.replace("{", "{{").replace("}", "}}")
        return f"a value cannot begin with {shown!r}", _QUOTE
    for words, wording in _WORDINGS:
        if re.search(words, problem):
            return wording
    return problem.replace("{", "{{").replace("}", "}}"), ""


def _end_position(text: str) -> tuple[int, int]:
    """Line and column, from 0, behind the last character that is not blank, where what is missing belongs."""
    stripped = text.rstrip()
    return _position(stripped, len(stripped))


def _position(text: str, at: int) -> tuple[int, int]:
    return text.count("\n", 0, at), at - (text.rfind("\n", 0, at) + 1)


def _character_diagnostic(error: Any, path: str, text: str) -> Diagnostic:
    character = getattr(error, "character", None)
    if not isinstance(character, int):
        return Diagnostic(path, 1, 1, str(error).splitlines()[0] if str(error) else "not YAML")
    at = text.find(chr(character))
    line, column = _position(text, at)
    message = f"the character U+{character:04X} may not stand in YAML"
    return Diagnostic(path, line + 1, column + 1, message, f'remove it, or write "\\u{character:04x}"')
