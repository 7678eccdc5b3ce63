"""The sandbox of templates: Jinja2 cut down to what a prompt needs.

The time and the size of a rendering are bounded here, in this process: a child would cost more than all the rest of a
short chat. Loops, calls, includes and output look at the clock; whatever can multiply text (`*`, `~`, join, replace,
indent, the printing of nested lists) computes the size first; other filters and methods that multiply are left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from datetime import time as time_of_day
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.config.paths import OutsideFolder, path_kind, resolve_within
from runner.config.template.size_limits import (
    CONTAINERS,
    MAX_CHARACTERS,
    OPERATOR_CHECKS,
    SCALARS,
    TemplateRefused,
    check_length,
    check_nested_size,
    limited_round,
)
from runner.config.text_file import read_text
from runner.core.errors import ConfigError

if TYPE_CHECKING:
    from jinja2 import nodes
    from jinja2.runtime import Context
    from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_TOTAL = 20 * MAX_CHARACTERS
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
    own |= {"string": sandbox.text, "tojson": sandbox.to_json}
    filters = {name: sandbox.filters[name] for name in _FILTERS.split()} | own
    sandbox.filters = {name: sandbox.counted(function) for name, function in filters.items()}
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

    intercepted_binops = frozenset(("+", "*", "**", "%"))
    deadline = 0.0
    total = 0

    def tick(self) -> None:
        """Raise TemplateRefused when the time is up."""
        if time.monotonic() > self.deadline:
            raise TemplateRefused(f"took longer than {SECONDS:g} seconds")

    def count(self, value: Any) -> Any:
        """The value, counted: many texts of moderate size fill a memory too."""
        if isinstance(value, str | list | tuple):
            self.total += len(value)
            if not isinstance(value, str):
                self.total += sum(len(part) for part in value if isinstance(part, str))
            if self.total > MAX_TOTAL:
                raise TemplateRefused(f"handles more than {MAX_TOTAL:,} characters in all")
        return value

    def counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A filter whose results are counted."""

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

    def call(self, context: Context, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        self.tick()
        return self.count(super().call(context, function, *args, **kwargs))  # type: ignore[misc]

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if not _is_undefined(left) and not _is_undefined(right):
            OPERATOR_CHECKS[operator](left, right)
        return self.count(super().call_binop(context, operator, left, right))  # type: ignore[misc]

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if type(obj).__module__ in ("jinja2.runtime", "jinja2.environment"):
            return bool(super().is_safe_attribute(obj, attr, value))  # type: ignore[misc]
        return attr in _METHODS.get(type(obj), ())

    def wrap_str_format(self, value: Any) -> None:
        """Formatting by a template's own pattern is left out: a width in it can make any size."""

    def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> str:
        from jinja2 import nodes

        for loop in source.find_all(nodes.For):
            loop.iter = self._through_environment("timed", [loop.iter])
        _replace_all(source, nodes.Concat, lambda concat: self._through_environment("concatenated", concat.nodes))
        return str(super()._generate(source, *args, **kwargs))  # type: ignore[misc]

    def _through_environment(self, method: str, arguments: list[Any]) -> nodes.Call:
        from jinja2 import nodes

        call = nodes.Call(nodes.EnvironmentAttribute(method), arguments, [], None, None)
        call.set_lineno(arguments[0].lineno).set_environment(self)  # type: ignore[arg-type]
        return call

    def join(self, items: Iterable[Any], separator: Any = "") -> str:
        between, size, pieces = self.text(separator), 0, []
        for item in self.timed(items):
            pieces.append(self.text(item))
            size += len(pieces[-1]) + len(between)
            check_length(size)
        return between.join(pieces)

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


def _replace_all(root: nodes.Node, kind: type[nodes.Node], make: Callable[[Any], nodes.Node]) -> None:
    """Put `make(node)` where each node of a kind stands, the innermost first."""
    for child in root.iter_child_nodes():
        _replace_all(child, kind, make)
    for name, value in root.iter_fields():
        if isinstance(value, kind):
            setattr(root, name, make(value))
        elif isinstance(value, list):
            value[:] = [make(item) if isinstance(item, kind) else item for item in value]


def _now(clock: Callable[[], datetime], time_format: str | None) -> datetime | str:
    return clock() if time_format is None else clock().strftime(time_format)
