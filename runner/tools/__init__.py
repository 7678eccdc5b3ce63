"""What can be done: one file a kind of tool, and the catalogue of the kinds and of the built-ins, as data."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from runner.tools.context import Context
from runner.tools.toolbox import Declared, Tool, Toolbox, Tools, tool

if TYPE_CHECKING:
    from runner.tools.dates import CurrentDateTime, DateResolver

BUILT_INS: Mapping[str, str] = {
    "resolve_date": "runner.tools.dates:DateResolver",
    "current_datetime": "runner.tools.dates:CurrentDateTime",
}

KINDS: Mapping[str, str] = {
    "python": "runner.tools.python:open_python",
}

_CLASSES = {"DateResolver": BUILT_INS["resolve_date"], "CurrentDateTime": BUILT_INS["current_datetime"]}

__all__ = [  # noqa: F822 - the classes are imported by the first look at them
    "BUILT_INS",
    "KINDS",
    "Context",
    "CurrentDateTime",
    "DateResolver",
    "Declared",
    "Tool",
    "Toolbox",
    "Tools",
    "load",
    "tool",
]


def load(reference: str) -> Any:
    """The object that a `module:name` row of a catalogue stands for."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)


def __getattr__(name: str) -> Any:
    if name in _CLASSES:
        return load(_CLASSES[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
