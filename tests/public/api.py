"""The public names of the package as text: what a program may import, call, read and catch."""

from __future__ import annotations

import builtins
import collections.abc
import dataclasses
import inspect
import re
import typing
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

# None: every public name that the module itself defines.
NAMES: dict[str, tuple[str, ...] | None] = {
    "runner": None,
    "runner.gateways": (
        "Anthropic",
        "Capabilities",
        "Gateway",
        "Gemini",
        "Local",
        "Ollama",
        "OpenAI",
        "Request",
        "Responses",
        "Scripted",
        "connect",
    ),
    "runner.tools": ("Context", "CurrentDateTime", "DateResolver", "ToolFailed", "tool"),
    "runner.core.errors": None,
    "runner.core.events": None,
    "runner.core.messages": None,
    "runner.cli": ("main",),
}

ALIASES = {"runner.core.events": ("Event",), "runner.core.messages": ("Effects", "Role", "UNFINISHED")}

_PATH = re.compile(r"\b(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_])")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_TYPE = re.compile(r"\b[A-Z]\w*")
_COLLECTING = {inspect.Parameter.VAR_POSITIONAL: "args", inspect.Parameter.VAR_KEYWORD: "kwargs"}
_PLAIN = (str, int, float, bool, type(None), tuple, frozenset)


def described() -> str:
    """Every module, a name a paragraph."""
    return "".join(line + "\n" for module in NAMES for line in _module(module))


def errors() -> str:
    """The tree of errors with their codes and exit codes."""
    module = import_module("runner.core.errors")
    return "".join(f"{line}\n" for line in _tree(module.AgentRunError, 0))


def _module(name: str) -> Iterator[str]:
    module = import_module(name)
    yield f"# {name}"
    yield ""
    for public in sorted((*(NAMES[name] or _own(module)), *ALIASES.get(name, ()))):
        yield from _named(public, getattr(module, public))
        yield ""


def _own(module: Any) -> list[str]:
    if hasattr(module, "__all__"):
        return sorted(module.__all__)
    return sorted(
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    )


def _named(name: str, value: Any) -> Iterator[str]:
    if inspect.isclass(value):
        yield from _class(name, value)
    elif inspect.isroutine(value):
        yield f"{name}{_signature(value)}"
    elif isinstance(value, _PLAIN):
        yield f"{name}: {type(value).__name__}"
    else:
        yield f"{name} = {_Text(value)!r}"


def _class(name: str, value: type) -> Iterator[str]:
    bases = [base.__name__ for base in value.__bases__ if issubclass(base, Exception) or base.__name__ == "Protocol"]
    yield f"class {name}({', '.join(bases)})" if bases else f"class {name}"
    if "__init__" in {key for each in value.__mro__[:-1] for key in vars(each)} and not _protocol(value):
        yield f"  {name}{_signature(value)}"
    fields = {field.name for field in dataclasses.fields(value)} if dataclasses.is_dataclass(value) else set()
    if fields:
        yield f"  fields: {', '.join(field.name for field in dataclasses.fields(value))}"
    for attribute in sorted(dir(value)):
        if attribute.startswith("_") or attribute in fields:
            continue
        owner = next((each for each in value.__mro__ if attribute in vars(each)), object)
        if owner.__module__.partition(".")[0] != "runner":
            continue
        yield f"  {_member(attribute, vars(owner)[attribute])}"


def _member(name: str, value: Any) -> str:
    if isinstance(value, (classmethod, staticmethod)):
        return f"{type(value).__name__} {name}{_signature(value.__func__)}"
    if isinstance(value, property):
        return f"property {name}"
    if callable(value):
        return f"{name}{_signature(value)}"
    return f"{name} = {_shown(value)}" if isinstance(value, _PLAIN) else name


def _protocol(value: type) -> bool:
    return bool(getattr(value, "_is_protocol", False))


def _signature(value: Any) -> str:
    try:
        signature = inspect.signature(value)
    except ValueError:  # made by a built-in class
        return "(...)"
    parameters = [
        each.replace(
            name=_COLLECTING.get(each.kind, each.name),
            annotation=each.annotation if each.annotation is each.empty else _Text(each.annotation),
            default=each.default if each.default is each.empty else _Default(_shown(each.default)),
        )
        for each in signature.parameters.values()
    ]
    returned = signature.return_annotation
    returned = returned if returned is signature.empty else _Text(returned)
    return str(signature.replace(parameters=parameters, return_annotation=returned))


class _Default(str):
    """Shows as it stands."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class _Text:
    """Shows as an annotation does, without the modules of its types; one that is not public shows as `…`."""

    def __init__(self, value: Any) -> None:
        text = value if isinstance(value, str) else inspect.formatannotation(value)
        known = _known()
        self._text = _TYPE.sub(lambda name: name[0] if name[0] in known else "…", _PATH.sub("", text))

    def __repr__(self) -> str:
        return self._text


@cache
def _known() -> frozenset[str]:
    """The types that an annotation may name."""
    ours = (name for module, names in NAMES.items() for name in names or _own(import_module(module)))
    aliases = (name for names in ALIASES.values() for name in names)
    return frozenset((*ours, *aliases, *dir(builtins), *typing.__all__, *collections.abc.__all__, "Path", "UNFINISHED"))


def _shown(value: Any) -> str:
    if inspect.isroutine(value) or inspect.isclass(value):
        return f"<{value.__name__}>"
    if isinstance(value, frozenset):
        return f"frozenset({sorted(value)})"
    if value == {}:
        return "{}"
    if type(value).__module__.startswith("runner."):
        return "(…)"  # its class and fields are not public; the schemas hold what an agent file's defaults are
    return _ADDRESS.sub("", repr(value))


def _tree(error: type, depth: int) -> Iterator[str]:
    public: Any = error
    more = [f"{key}={getattr(error, key)}" for key in ("retryable", "falls_back") if hasattr(error, key)]
    yield "  ".join([f"{'  ' * depth}{error.__name__}", public.code, f"exit {public.exit_code}", *more])
    for child in sorted(error.__subclasses__(), key=lambda each: each.__name__):
        if child.__module__ == "runner.core.errors":
            yield from _tree(child, depth + 1)
