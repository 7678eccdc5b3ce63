"""The parser's complaints in words that help: what is wrong at this place, and what to write instead."""

from __future__ import annotations

from typing import Any

from runner.config.diagnostics import Problem

_QUOTE = "quote the whole value"
_UNCLOSED = ("the text quoted at line {opened} is never closed", "add the closing quote")

# The parser's words -> (message, hint); `{opened}` is the line where the unfinished thing began.
_WORDINGS: dict[str, tuple[str, str]] = {
    "mapping values are not allowed in this context": (
        "a ':' cannot stand here",
        f"{_QUOTE}, or check the indentation of this line",
    ),
    "did not find expected key": ("this line fits no mapping that is open", "check its indentation"),
    "did not find expected '-' indicator": (
        "the list that began at line {opened} goes on here without a '-'",
        "check its indentation",
    ),
    "did not find expected ',' or ']'": ("the list opened at line {opened} is not closed", "add ',' or ']'"),
    "did not find expected ',' or '}'": ("the mapping opened at line {opened} is not closed", "add ',' or '}}'"),
    "found unexpected end of stream": ("the text quoted at line {opened} is never closed", "add the closing quote"),
    "found unexpected document indicator": (
        "the text quoted at line {opened} is never closed",
        "add the closing quote",
    ),
    "found unknown escape character": (
        "an unknown escape in a double-quoted text",
        "double the backslash, or use single quotes",
    ),
    "found invalid Unicode character escape code": (
        "an escape that is no character",
        "write the character itself, not a pair of surrogates",
    ),
    "found undefined alias": ("an alias of a name that no anchor gives", "define it with &name, or quote the '*'"),
    "second occurrence": ("an anchor that was given before, at line {opened}", "give it another name"),
    "could not find expected ':'": ("a key without its ':'", "write KEY: VALUE, or quote a text of several lines"),
    "did not find expected comment or line break": (
        "a block text begins on the next line",
        "end this line after | or >",
    ),
    "found undefined tag handle": ("tags are not allowed", "quote the '!'"),
    "did not find expected alphabetic or numeric character": ("an anchor or alias without a name", _QUOTE),
    "did not find expected whitespace or line break": ("a space is missing here", _QUOTE),
    "did not find expected node content": ("a value is missing here", ""),
    "did not find expected <document start>": (
        "a value has ended, and another begins without a '---'",
        "check the indentation",
    ),
    "found a tab character where an indentation space is expected": ("a tab cannot indent", "use spaces"),
}


def reworded(error: Any, path: str, text: str) -> Problem:
    """The parser's error as a located problem."""
    mark = getattr(error, "problem_mark", None)
    if mark is None and (mark := getattr(error, "context_mark", None)) is None:
        return _unreadable(error, path, text)
    opened = error.context_mark or mark
    if (error.context or "").startswith("while scanning a quoted scalar") and "end of stream" in (error.problem or ""):
        mark = opened
    line, column = _place(text, mark.index) if mark.index < len(text) else _end(text)
    char = text[mark.index] if mark.index < len(text) else ""
    message, hint = _wording(error.problem or error.context or "not YAML", char)
    return Problem(path, line + 1, column + 1, message.format(opened=opened.line + 1), hint.replace("}}", "}"))


def _wording(problem: str, char: str) -> tuple[str, str]:
    if problem == "found character that cannot start any token":
        if char == "\t":
            return "a tab cannot indent", "use spaces"
        shown = char.replace("{", "{{").replace("}", "}}")
        return f"a value cannot begin with {shown!r}", _QUOTE
    if problem in _WORDINGS:
        return _WORDINGS[problem]
    return problem.replace("{", "{{").replace("}", "}}"), ""


def _end(text: str) -> tuple[int, int]:
    """Line and column, from 0, of the last character that is not blank: where a reader looks for what is missing."""
    kept = text.rstrip()
    return _place(kept, len(kept))


def _place(text: str, at: int) -> tuple[int, int]:
    return text.count("\n", 0, at), at - (text.rfind("\n", 0, at) + 1)


def _unreadable(error: Any, path: str, text: str) -> Problem:
    character = getattr(error, "character", None)
    if not isinstance(character, int):
        return Problem(path, 1, 1, str(error).splitlines()[0] if str(error) else "not YAML")
    at = text.find(chr(character))
    line, column = _place(text, at)
    message = f"the character U+{character:04X} may not stand in YAML"
    return Problem(path, line + 1, column + 1, message, f'remove it, or write "\\u{character:04x}"')


def undecodable(path: str, data: bytes, at: int) -> Problem:
    """A file that is not UTF-8 text: in another encoding, or no text at all."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or data[1:4:2] == b"\0\0" or data[0:3:2] == b"\0\0":
        return Problem(path, 1, 1, "the file is UTF-16 text", "save it as UTF-8")
    line, column = data.count(b"\n", 0, at) + 1, at - data.rfind(b"\n", 0, at)
    if b"\0" in data:
        return Problem(path, line, column, "the file is not text")
    column = len(data[at - column + 1 : at].decode("utf-8", "replace")) + 1
    return Problem(path, line, column, f"the byte 0x{data[at]:02X} is not UTF-8 text", "save the file as UTF-8")
