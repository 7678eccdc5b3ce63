"""Renders templates in the sandbox, and finds what they depend on; errors are located at their line of the file.

A text without a delimiter of Jinja2 is its own rendering, and one that only puts in variables is rendered right here:
most prompts are no more than that, and importing Jinja2 costs as much as the rest of the start.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from runner.config.agent import PromptSource
from runner.config.diagnostics import Diagnostic
from runner.config.text_file import MAX_BYTES
from runner.config.yaml.document import position_at
from runner.core.errors import ConfigError
from runner.core.files import read_bounded
from runner.core.spelling import nearest

if TYPE_CHECKING:
    from jinja2 import Environment, nodes

_DELIMITERS = ("{{", "{%", "{#")
_MAIN = "<template>"
_LONGEST_LINE = 10_000  # that a name is looked for in
_VARIABLE = re.compile(r"\{\{ *(?!(?:now|range|true|false|none|True|False|None|self|not) *\}\})([A-Za-z_]\w*) *\}\}")
_IMPLICIT_NAMES = frozenset({"caller", "kwargs", "loop", "self", "super", "varargs"})
_UNDEFINED = r"'(\w+)' is undefined"
_QUOTED_NAME = r"'(\w+)'"


def is_template(text: str) -> bool:
    """Whether there is anything to render."""
    return any(delimiter in text for delimiter in _DELIMITERS)


def _only_variables(text: str) -> bool:
    return not is_template(_VARIABLE.sub("", text))


def render(source: PromptSource, values: Mapping[str, Any], *, now: Callable[[], datetime]) -> str:
    """The text with its variables filled in; `now()` in it asks `now`. Raises ConfigError where the mistake stands."""
    if not is_template(source.text):
        return source.text
    if _only_variables(source.text) and (rendered := _with_values(source.text, values)) is not None:
        return rendered
    from runner.config.template.sandbox import open_sandbox  # lazy: jinja2

    sandbox = open_sandbox(source.root, now)
    try:
        return str(_compiled(sandbox, source.text).render(values))
    except _template_errors() as error:
        _raise_config_error(error, source, known=values)


class TemplateDependencies(NamedTuple):
    """What a template takes from outside: names, each with a diagnostic at its first use, and the files it includes."""

    names: Mapping[str, Diagnostic]
    files: tuple[Path, ...] = ()


def template_dependencies(source: PromptSource) -> TemplateDependencies:
    """What a template and the files that it includes take from outside.

    Raises ConfigError for one that cannot be parsed, and for an include that is not there or that does not name its
    file literally: what an agent is made of must be known before it runs.
    """
    if _only_variables(source.text):
        return TemplateDependencies(dict(_variable_names(source)))
    from runner.config.template.sandbox import open_sandbox  # lazy: jinja2

    sandbox = open_sandbox(source.root, datetime.now)
    names: dict[str, Diagnostic] = {}
    files: dict[str, Path] = {}
    try:
        _compiled(sandbox, source.text)
        for name, file, text, line in _free_names(sandbox, source.text, _MAIN, frozenset(), files):
            if name not in names:
                position = TemplateLine(file, text, line)
                names[name] = _diagnostic(source, position, f"{name!r} is not defined", name)
    except _template_errors() as error:
        _raise_config_error(error, source, known=())
    return TemplateDependencies(names, tuple(files.values()))


def _variable_names(source: PromptSource) -> Iterator[tuple[str, Diagnostic]]:
    first_uses: dict[str, int] = {}
    for match in _VARIABLE.finditer(source.text):
        first_uses.setdefault(match[1], match.start(1))
    _, starts = _lines(source.text)
    for name, start in first_uses.items():
        line = bisect_right(starts, start)
        position = TemplateLine(_MAIN, source.text, line, start - starts[line - 1])
        yield name, _diagnostic(source, position, f"{name!r} is not defined", name)


def _with_values(text: str, values: Mapping[str, Any]) -> str | None:
    """The text with its variables put in; None where that needs, or is to be refused by, the sandbox."""
    names = _VARIABLE.findall(text)
    texts = {name: _as_text(values[name]) for name in set(names) if _is_scalar(values.get(name, ()))}
    if len(texts) < len(set(names)) or len(text) + sum(len(texts[name]) for name in names) > MAX_BYTES:
        return None
    return _VARIABLE.sub(lambda match: texts[match[1]], text)


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def _as_text(value: Any) -> str:
    return "" if value is None else str(value)


def _compiled(sandbox: Environment, text: str) -> Any:
    code = sandbox.compile(text, filename=_MAIN)
    return sandbox.template_class.from_code(sandbox, code, sandbox.make_globals(None))


def _free_names(
    sandbox: Environment, text: str, file: str, defined: frozenset[str], files: dict[str, Path]
) -> Iterator[tuple[str, str, str, int]]:
    """Each (name, file, its text, line) taken from outside; `defined` are names that an including template sets."""
    from jinja2 import meta, nodes

    tree = sandbox.parse(text, filename=file)
    free = meta.find_undeclared_variables(tree) - defined - set(sandbox.globals) - _IMPLICIT_NAMES
    for node in tree.find_all(nodes.Name):
        if node.name in free:
            yield node.name, file, text, node.lineno
    defined |= {node.name for node in tree.find_all(nodes.Name) if node.ctx != "load"}
    for name in _include_names(tree, file):
        if name not in files:
            included, path, _ = sandbox.loader.get_source(sandbox, name)  # type: ignore[union-attr]
            files[name] = Path(path or name)
            yield from _free_names(sandbox, included, str(files[name]), defined, files)


def _include_names(tree: nodes.Template, file: str) -> Iterator[str]:
    from jinja2 import TemplateSyntaxError, nodes

    for node in tree.find_all((nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
        named = getattr(node, "template", None)
        if not isinstance(named, nodes.Const) or not isinstance(named.value, str):
            raise TemplateSyntaxError("an include names one file, in quotes", node.lineno, filename=file)
        yield named.value


def _template_errors() -> tuple[type[Exception], ...]:
    """The exceptions that a template's author can cause."""
    from jinja2 import TemplateError

    from runner.config.template.size_limits import TemplateRefused

    return (
        TemplateRefused,
        TemplateError,
        TypeError,
        ValueError,
        ArithmeticError,
        LookupError,
        AttributeError,
        RecursionError,
    )


def _raise_config_error(error: Exception, source: PromptSource, known: Iterable[str]) -> NoReturn:
    file, line = _error_position(error)
    message = getattr(error, "message", None) or str(error) or type(error).__name__
    hint = ""
    word = named[1] if (named := re.search(_QUOTED_NAME, message)) else ""
    if undefined := re.search(_UNDEFINED, message):
        word = undefined[1]
        message = f"{word!r} is not defined"
        hint = nearest(word, known)
    elif isinstance(error, RecursionError):
        message = "includes or calls itself without end"
    text = source.text if file == _MAIN else _file_text(file)
    diagnostic = _diagnostic(source, TemplateLine(file, text, line), f"template: {message}", word, hint)
    raise ConfigError([diagnostic]) from None


def _error_position(error: Exception) -> tuple[str, int]:
    """The file and line of a template that an error comes from: the innermost frame that is a template's."""
    if lineno := getattr(error, "lineno", None):
        return getattr(error, "filename", None) or _MAIN, lineno
    position = (_MAIN, 1)
    trace = error.__traceback__
    while trace is not None:
        if "__jinja_exception__" in trace.tb_frame.f_globals:  # a frame that stands for a template's line
            position = (trace.tb_frame.f_code.co_filename, trace.tb_lineno)
        trace = trace.tb_next
    return position


def _file_text(file: str) -> str:
    try:
        return read_bounded(file, MAX_BYTES).decode("utf-8-sig", "replace")
    except OSError:
        return ""


class TemplateLine(NamedTuple):
    """A line, counted from 1, of a template's text; `column`, counted from 0, where that is known already."""

    file: str
    text: str
    line: int
    column: int | None = None


@lru_cache(maxsize=2)
def _lines(text: str) -> tuple[list[str], list[int]]:
    """The lines of a text, and where each begins."""
    lines = [f"{line}\n" for line in text.split("\n")]
    return lines, [0, *accumulate(map(len, lines))]


def _diagnostic(source: PromptSource, at: TemplateLine, message: str, word: str, hint: str = "") -> Diagnostic:
    """The diagnostic at `word` in a line of a template, or of the line's first character."""
    file, text, line, column = at
    lines, starts = _lines(text)
    shown = lines[line - 1] if line <= len(lines) else ""
    length = max(1, len(word))
    if column is None:
        match = re.search(rf"\b{re.escape(word)}\b", shown[:_LONGEST_LINE]) if word else None
        column = match.start() if match else len(shown) - len(shown.lstrip())
        length = length if match else max(1, len(shown.strip()))
    if file != _MAIN:
        return Diagnostic(file, line, column + 1, message, hint, length=length)
    if source.location is None:
        return Diagnostic("the template", line, column + 1, message, hint, length=length)
    offset = starts[min(line - 1, len(lines))] + column
    position = position_at(source.source_map, offset) or (source.location.line, source.location.column)
    return Diagnostic(str(source.location.path), *position, message, hint, length=length)
