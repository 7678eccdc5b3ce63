"""Parameters that a file declares one by one, and the `{name}` places in templates where their values go."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from runner.core.spelling import nearest
from runner.tools.entry_schema import Schema, text
from runner.tools.tool_kind import EntryProblem

DESCRIPTION: Schema = text("What the model is told: what it does, and when to use it.")

PLACE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_-]*)\}")


def schema_of(parameters: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The JSON Schema of an object with these parameters; one with a default may be left out."""
    return {
        "type": "object",
        "properties": {name: dict(schema) for name, schema in parameters.items()},
        "required": [name for name, schema in parameters.items() if "default" not in schema],
        "additionalProperties": False,
    }


def with_defaults(parameters: Mapping[str, Mapping[str, Any]], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, and the declared default of each one left out."""
    defaults = {name: schema["default"] for name, schema in parameters.items() if "default" in schema}
    return defaults | dict(arguments)


def places(template: Any) -> Iterator[str]:
    """The names of the places in a template: a text, or any JSON value with texts in it."""
    match template:
        case str():
            yield from PLACE.findall(template)
        case Mapping():
            for key, value in template.items():
                yield from places(key)
                yield from places(value)
        case list() | tuple():
            for value in template:
                yield from places(value)


def fill(template: str, values: Mapping[str, Any], write: Callable[[Any], str]) -> str:
    """The text with `write(value)` at each place; every place must have its value."""
    return PLACE.sub(lambda place: write(values[place[1]]), template)


def fill_json(template: Any, values: Mapping[str, Any]) -> Any:
    """The JSON value with its places filled; a text that is one place alone takes the value with its type."""
    match template:
        case str():
            whole = PLACE.fullmatch(template)
            return values[whole[1]] if whole else fill(template, values, plain)
        case Mapping():
            return {fill(key, values, plain): fill_json(value, values) for key, value in template.items()}
        case list() | tuple():
            return [fill_json(value, values) for value in template]
    return template


def plain(value: Any) -> str:
    """A value as a person would write it into a text: strings as they are, the rest as JSON."""
    if isinstance(value, str):
        return value
    import json  # lazy: most values are strings

    return json.dumps(value, ensure_ascii=False)


def parameter_problems(
    parameters: Mapping[str, Any], templates: Iterable[tuple[tuple[str | int, ...], Any]], used: Iterable[str] = ()
) -> Iterator[EntryProblem]:
    """Places without a parameter, and parameters without a place; each template with its path in the entry.

    `used` are parameters that have their place elsewhere.
    """
    used = set(used)
    for path, template in templates:
        for name in places(template):
            used.add(name)
            if name not in parameters:
                yield EntryProblem(path, f"no parameter is named {name!r}", nearest(name, parameters))
    for name in parameters.keys() - used:
        yield EntryProblem(("parameters", name), "no place in the tool uses this parameter", at_key=True)
