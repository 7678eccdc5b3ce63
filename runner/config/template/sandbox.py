"""The sandbox of templates: Jinja2 cut down to what a prompt needs.

The time and the size of a rendering are bounded here, in this process: a child would cost more than all the rest of a
short chat. Every operation looks at the clock, so no single one may take long. Each value that comes to be is counted
in full, which bounds what an operation can be given; nearly all take a time in proportion to that. The few that do not,
or that multiply text (`*`, `~`, join, replace, indent, strftime, searching from the right, the printing of nested
lists), compute what they would cost first; other filters and methods that multiply are left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from datetime import time as time_of_day
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from runner.config.paths import OutsideFolder, path_kind, resolve_within
from runner.config.template.size_limits import (
    CONTAINERS,
    MAX_CHARACTERS,
    OPERATOR_CHECKS,
    SCALARS,
    TemplateRefused,
    check_cost,
    check_length,
    check_nested_size,
    expanded_size,
    limited_round,
    limited_unique,
)
from runner.config.text_file import read_text
from runner.core.errors import ConfigError

if TYPE_CHECKING:
    from jinja2 import nodes
    from jinja2.runtime import Context
    from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_TOTAL = 20 * MAX_CHARACTERS
MAX_WORDS = 20_000
SECONDS = 2.0

_FILTERS = (
    "abs capitalize count d default dictsort first float groupby int items last length list lower map max min reject "
    "rejectattr reverse select selectattr sort title trim truncate unique upper wordcount"
)

_STR = (
    "capitalize casefold count endswith find index isalnum isalpha isdigit islower isnumeric isspace istitle isupper "
    "lower lstrip partition removeprefix removesuffix rfind rpartition rsplit rstrip split splitlines startswith strip "
    "swapcase title upper"
)
_WHEN = "year month day hour minute second weekday isoweekday isoformat strftime date time"
_METHODS: Mapping[type, frozenset[str]] = {
    str: frozenset(_STR.split()),
    dict: frozenset(("get", "items", "keys", "values")),
    list: frozenset(("count", "index")),
    tuple: frozenset(("count", "index")),
    datetime: frozenset(_WHEN.split()),
    date: frozenset(_WHEN.split()),
    time_of_day: frozenset(_WHEN.split()),
}


def open_sandbox(root: Path, now: Callable[[], datetime]) -> ImmutableSandboxedEnvironment:
    """An environment for one rendering, whose time begins now: files under `root` alone, plain data in, text out."""
    from jinja2 import FunctionLoader, StrictUndefined  # lazy, as all of jinja2 here

    sandbox = _sandbox_class()(undefined=StrictUndefined, keep_trailing_newline=True)
    sandbox.loader = FunctionLoader(lambda name: _include_source(sandbox, root, name))
    own = {"indent": sandbox.indent, "join": sandbox.join, "replace": sandbox.replace, "round": limited_round}
    own |= {"string": sandbox.text, "tojson": sandbox.to_json, "trim": sandbox.trim}
    own |= {"unique": limited_unique(sandbox.filters["unique"])}
    filters = {name: sandbox.filters[name] for name in _FILTERS.split()} | own
    sandbox.filters = {name: sandbox.counted(function) for name, function in filters.items()}
    sandbox.tests = {name: sandbox.counted(function) for name, function in sandbox.tests.items()}
    sandbox.globals = {"range": sandbox.globals["range"], "now": lambda form=None: _now(now, form)}
    sandbox.finalize = sandbox.text
    sandbox.deadline = time.monotonic() + SECONDS
    return sandbox  # type: ignore[no-any-return]


@cache
def _sandbox_class() -> Any:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return type("Sandbox", (_Limits, ImmutableSandboxedEnvironment), {})


class _Limits:
    """Limits on top of Jinja2's sandbox: a deadline, and sizes that are computed beforehand."""

    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "**", "%"))
    deadline = 0.0
    total = 0
    line = 1

    def tick(self) -> None:
        """Raise TemplateRefused when the time is up."""
        if time.monotonic() > self.deadline:
            raise TemplateRefused(f"took longer than {SECONDS:g} seconds")

    def count(self, value: Any) -> Any:
        """The value, counted in full: many values of moderate size fill a memory too."""
        self.total += expanded_size(value, MAX_TOTAL - self.total)
        if self.total > MAX_TOTAL:
            raise TemplateRefused(f"handles more than {MAX_TOTAL:,} characters in all")
        return value

    def passed(self, value: Any) -> Any:
        """The value, after a look at the clock."""
        self.tick()
        return value

    def counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A filter or test whose results are counted."""

        @wraps(function)
        def filtered(*args: Any, **kwargs: Any) -> Any:
            self.tick()
            return self.count(function(*args, **kwargs))

        return filtered

    def timed(self, items: Iterable[Any]) -> Iterator[Any]:
        """The items, with a look at the clock before each."""
        for item in items:
            self.tick()
            yield item

    def text(self, value: Any) -> str:
        """A plain value as text; nothing for none."""
        if isinstance(value, str):
            return value
        if value is None:
            return ""
        self.tick()
        if isinstance(value, CONTAINERS):
            check_nested_size(value)
        elif not isinstance(value, SCALARS) and not _is_undefined(value):  # an undefined one raises, and names itself
            raise TemplateRefused(f"a {type(value).__name__} is no text")
        return str(value)

    def concatenated(self, *parts: Any) -> str:
        """The parts of `a ~ b` as one text."""
        return self.concat(map(self.text, parts))

    def concat(self, pieces: Iterable[str]) -> str:
        """All pieces as one text of bounded size; Jinja's own name for how it joins what a template put out."""
        size, kept = 0, []
        for piece in pieces:
            self.tick()
            size += len(piece)
            check_length(size)
            kept.append(piece)
        self.total += size
        return "".join(kept)

    def sliced(self, value: Any, start: Any, stop: Any, step: Any) -> Any:
        """`value[start:stop:step]`."""
        return self.count(value[start:stop:step])

    def getitem(self, obj: Any, argument: Any) -> Any:
        self.tick()
        return super().getitem(obj, argument)  # type: ignore[misc]

    def getattr(self, obj: Any, attribute: str) -> Any:
        self.tick()
        return super().getattr(obj, attribute)  # type: ignore[misc]

    def call(self, context: Context, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        self.tick()
        check_cost(function, (*args, *kwargs.values()))
        return self.count(super().call(context, function, *args, **kwargs))  # type: ignore[misc]

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        self.tick()
        if not _is_undefined(left) and not _is_undefined(right) and operator in OPERATOR_CHECKS:
            OPERATOR_CHECKS[operator](left, right)
        return self.count(super().call_binop(context, operator, left, right))  # type: ignore[misc]

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if type(obj).__module__ in ("jinja2.runtime", "jinja2.environment"):
            return bool(super().is_safe_attribute(obj, attr, value))  # type: ignore[misc]
        return attr in _METHODS.get(type(obj), ())

    def wrap_str_format(self, value: Any) -> None:
        """Formatting by a template's own pattern is left out: a width in it can make any size."""

    def _tokenize(self, *args: Any) -> Any:
        from jinja2.lexer import TokenStream

        return TokenStream(self._limited(super()._tokenize(*args)), None, None)  # type: ignore[misc]

    def _limited(self, tokens: Iterable[Any]) -> Iterator[Any]:
        """The words and signs of a template's code, which are few in any prompt: what is made of them takes time."""
        for number, token in enumerate(tokens):
            self.line = token.lineno
            if number > MAX_WORDS:
                self._refuse_code(f"more than {MAX_WORDS:,} words of code", token.lineno)
            if not number % 100:
                self.tick()
            yield token

    def _parse(self, *args: Any) -> nodes.Template:
        try:
            return super()._parse(*args)  # type: ignore[misc, no-any-return]
        except RecursionError:
            self._refuse_code("nested too deeply", self.line)

    def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> str:
        from runner.config.template.instrument import deepest_line, instrument  # lazy, as all of jinja2 here

        self.line = deepest_line(source)
        try:
            instrument(source, self)  # type: ignore[arg-type]
            return str(super()._generate(source, *args, **kwargs))  # type: ignore[misc]
        except RecursionError:
            self._refuse_code("nested too deeply", self.line)

    def _compile(self, source: str, filename: str) -> Any:
        """The code; Python's own compiler has limits of its own, on blocks and on parentheses above all."""
        try:
            return super()._compile(source, filename)  # type: ignore[misc]
        except (SyntaxError, RecursionError, MemoryError, OverflowError, ValueError) as error:
            deep = not isinstance(error, SyntaxError) or "nested" in str(error) or "indentation" in str(error)
            self._refuse_code("nested too deeply" if deep else f"cannot be compiled: {error}", self.line)

    def _refuse_code(self, why: str, line: int) -> NoReturn:
        from jinja2 import TemplateSyntaxError

        raise TemplateSyntaxError(why, line) from None

    def join(self, items: Iterable[Any], separator: Any = "") -> str:
        between, size, pieces = self.text(separator), 0, []
        for item in self.timed(items):
            pieces.append(self.text(item))
            size += len(pieces[-1]) + len(between)
            check_length(size)
        return between.join(pieces)

    def trim(self, value: Any, chars: str | None = None) -> str:
        text = self.text(value)
        check_cost(text.strip, (chars,))
        return text.strip(chars)

    def replace(self, value: Any, old: str, new: str) -> str:
        text = self.text(value)
        check_length(len(text) + text.count(old) * len(new))
        return text.replace(old, new)

    def indent(self, value: Any, width: int = 4, first: bool = False) -> str:
        text = self.text(value)
        check_length(len(text) + (text.count("\n") + 1) * width)
        indented = text.replace("\n", "\n" + " " * width)
        return " " * width + indented if first else indented

    def to_json(self, value: Any) -> str:
        import json  # lazy

        check_nested_size(value)
        return json.dumps(value, ensure_ascii=False)


def _include_source(sandbox: Any, root: Path, name: str) -> tuple[str, str, None]:
    """The text and the path of a template in the agent's own folder."""
    sandbox.tick()
    try:
        path = resolve_within(name, root, root)
    except OutsideFolder as error:
        raise TemplateRefused(f"{name!r}: {error}") from None
    if path_kind(path) != "file":
        raise TemplateRefused(f"there is no file {name!r} to include")
    try:
        return read_text(path), str(path), None
    except ConfigError as error:
        raise TemplateRefused(f"{name!r}: {error.problems[0].message}") from None


def _is_undefined(value: Any) -> bool:
    from jinja2 import Undefined

    return isinstance(value, Undefined)


def _now(clock: Callable[[], datetime], time_format: str | None) -> datetime | str:
    moment = clock()
    if time_format is None:
        return moment
    check_cost(moment.strftime, (time_format,))
    return moment.strftime(time_format)
