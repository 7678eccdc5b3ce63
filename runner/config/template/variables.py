"""The typed variables of an agent file: declared once, set as text or values, checked before a template sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from runner.config.agent import Variable
from runner.config.yaml.constructor import parse_scalar
from runner.core.errors import UsageError
from runner.core.sanitize import replace_surrogates
from runner.core.spelling import nearest

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "list": (list, tuple),
}


def parse_variable(name: str, entry: Any) -> Variable:
    """A variable from its entry in the file: a default alone, or a mapping."""
    settings = entry if isinstance(entry, dict) else {"default": entry}
    default = settings.get("default")
    return Variable(
        name,
        type=settings.get("type") or _type_of(default),
        default=tuple(default) if isinstance(default, list) else default,
        description=settings.get("description", ""),
        required=settings.get("required", default is None),
        choices=tuple(settings.get("choices", ())),
    )


def type_mismatch(variable: Variable, value: Any) -> str:
    """Why a value does not suit a variable, or nothing."""
    kinds = _TYPES[variable.type]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        return f"must be of type {variable.type}"
    if variable.choices and value not in variable.choices:
        return f"must be one of {', '.join(map(str, variable.choices))}"
    return ""


def bind_variables(variables: Mapping[str, Variable], values: Mapping[str, Any], *, where: str = "") -> dict[str, Any]:
    """Every variable's value; texts, as a command line gives them, become values of its type. Raises UsageError."""
    for name in values:
        if name not in variables:
            known = ", ".join(variables) or "the agent has none"
            hint = nearest(name, variables)
            raise UsageError(f"no variable {name!r}", where=where, why=f"declared: {known}", fix=hint)
    bound = {}
    for name, variable in variables.items():
        if name in values:
            bound[name] = _coerced(variable, values[name], where)
        elif variable.required:
            fix = f"--var {name}=VALUE"
            raise UsageError(f"the variable {name!r} has no value", where=where, why=variable.description, fix=fix)
        else:
            bound[name] = list(variable.default) if isinstance(variable.default, tuple) else variable.default
    return bound


def _coerced(variable: Variable, value: Any, where: str) -> Any:
    if isinstance(value, str) and variable.type != "string":
        value = _from_text(variable, value)
    if why := type_mismatch(variable, value):
        raise UsageError(f"the variable {variable.name!r} {why}", where=where, why=f"{str(value)[:80]!r} was given")
    return list(value) if isinstance(value, tuple) else value


def _from_text(variable: Variable, text: str) -> Any:
    if variable.type == "list":
        return [parse_scalar(part.strip()) for part in text.split(",")] if text.strip() else []
    return parse_scalar(text.strip())


def _type_of(default: Any) -> str:
    order = ("boolean", "integer", "number", "list")
    return next((name for name in order if isinstance(default, _TYPES[name])), "string")


def parse_var_options(settings: Iterable[str]) -> dict[str, str]:
    """The values of `--var K=V` options. Raises UsageError."""
    pairs = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise UsageError(f"--var {setting!r} is not K=V", fix="write --var NAME=VALUE")
        pairs[name] = replace_surrogates(value)
    return pairs
