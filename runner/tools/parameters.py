"""Parameters that an entry declares one by one, and the `{name}` placeholders in templates that their values fill."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from runner.core.spelling import nearest
from runner.tools.entry_schema import Schema, text
from runner.tools.tool_kind import EntryProblem

DESCRIPTION: Schema = text("What the model is told: what it does, and when to use it.")

PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_-]*)\}")


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


def placeholders(template: Any) -> Iterator[str]:
    """The names of the placeholders in a template: a text, or any JSON value with texts in it."""
    match template:
        case str():
            yield from PLACEHOLDER.findall(template)
        case Mapping():
            for key, value in template.items():
                yield from placeholders(key)
                yield from placeholders(value)
        case list() | tuple():
            for value in template:
                yield from placeholders(value)


def fill(template: str, values: Mapping[str, Any], write: Callable[[Any], str]) -> str:
    """The text with `write(value)` for each placeholder; each must have its value."""
    return PLACEHOLDER.sub(lambda match: write(values[match[1]]), template)


def fill_json(template: Any, values: Mapping[str, Any]) -> Any:
    """The JSON value with its placeholders filled; one that is all of a text gives its value with its type."""
    match template:
        case str():
            whole = PLACEHOLDER.fullmatch(template)
            return values[whole[1]] if whole else fill(template, values, as_text)
        case Mapping():
            return {fill(key, values, as_text): fill_json(value, values) for key, value in template.items()}
        case list() | tuple():
            return [fill_json(value, values) for value in template]
    return template


def as_text(value: Any) -> str:
    """A value as a person would write it into a text: strings as they are, the rest as JSON."""
    if isinstance(value, str):
        return value
    import json  # lazy: most values are strings

    return json.dumps(value, ensure_ascii=False)


def placeholder_error(parameters: Mapping[str, Any], *templates: Any) -> str:
    """What keeps a tool from being made: a placeholder without a parameter, or a parameter without one; else ""."""
    used, declared = {name for template in templates for name in placeholders(template)}, set(parameters)
    if undeclared := sorted(used - declared):
        return f"{{{undeclared[0]}}} stands in it, but is not among its parameters"
    if unused := sorted(declared - used):
        return f"its parameter {unused[0]!r} is used nowhere"
    return ""


def parameter_problems(
    parameters: Mapping[str, Any], templates: Iterable[tuple[tuple[str | int, ...], Any]], used: Iterable[str] = ()
) -> Iterator[EntryProblem]:
    """Placeholders without a parameter, and parameters without one; each template with its path in the entry.

    `used` are parameters that fill something else.
    """
    used = set(used)
    for path, template in templates:
        for name in placeholders(template):
            used.add(name)
            if name not in parameters:
                yield EntryProblem(path, f"no parameter is named {name!r}", nearest(name, parameters))
    for name in parameters.keys() - used:
        yield EntryProblem(("parameters", name), "no place in the tool uses this parameter", at_key=True)
