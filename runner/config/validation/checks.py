"""Checks that a schema cannot express: known names, texts that must parse, settings that must go together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from runner.config.agent_source import AgentSource
from runner.config.diagnostics import Diagnostic
from runner.config.validation.env_vars import without_variables
from runner.config.yaml.document import NodePath
from runner.core.entry_points import GATEWAYS, find_entry_point
from runner.core.errors import ModelMissing
from runner.core.secrets import has_known_secret, looks_secret
from runner.core.spelling import nearest
from runner.gateways import CATALOGUE, DIALECTS, Dialect, dialect_named, dialect_of

Check = Callable[[AgentSource], Iterator[Diagnostic]]


def gateway_names(source: AgentSource) -> Iterator[Diagnostic]:
    """The gateway and each fallback are known: from the catalogue, the file, the user's file, or a package."""
    known = {*CATALOGUE, *source.user.gateways, *_mapping(source, "gateways")}
    named: list[NodePath] = [("gateway",)]
    named += [("fallback", index, "gateway") for index in range(len(_list(source, "fallback")))]
    for path in named:
        if (
            source.is_valid(*path)
            and (name := _value_at(source, path)) not in known
            and find_entry_point(GATEWAYS, name) is None
        ):
            hint = nearest(name, known) or f"known: {', '.join(sorted(known))}"
            yield source.diagnostic(path, f"no gateway is named {name!r}", hint)


def embedded_models(source: AgentSource) -> Iterator[Diagnostic]:
    """Models of gateway local that name neither a known one nor a GGUF file: a warning, since others may be asked."""
    routes = [
        ((), source.value),
        *((("fallback", index), route) for index, route in enumerate(_list(source, "fallback"))),
    ]
    paths = [
        (*path, "model")
        for path, route in routes
        if isinstance(route, dict) and _dialect(source, route.get("gateway")).runs_weights
    ]
    for path in filter(lambda path: source.is_valid(*path), paths):
        from runner.gateways.local.models import KNOWN_MODELS, weights_of  # lazy: few agents name such a model

        try:
            weights_of(_value_at(source, path))
        except ModelMissing as missing:
            hint = nearest(_value_at(source, path), KNOWN_MODELS) or missing.fix
            yield source.diagnostic(path, missing.what, hint, severity="warning")


def gateway_presets(source: AgentSource) -> Iterator[Diagnostic]:
    """The file's own gateways speak a known dialect, have an address, and hold no key."""
    for name, preset in _mapping(source, "gateways").items():
        path = ("gateways", name)
        if not source.is_valid(*path):
            continue
        dialect = preset.get("dialect", "openai")
        if dialect not in DIALECTS and find_entry_point(GATEWAYS, dialect) is None:
            hint = nearest(dialect, DIALECTS) or f"known: {', '.join(DIALECTS)}"
            yield source.diagnostic((*path, "dialect"), f"no dialect is named {dialect!r}", hint)
        url = preset.get("url", "")
        if "url" not in preset and "url_from" not in preset and dialect_named(dialect).over_http:
            yield source.diagnostic(path, "needs url:", at_key=True)
        if url and (*path, "url") not in source.unfilled and not url.startswith(("http://", "https://")):
            yield source.diagnostic((*path, "url"), "must begin with http:// or https://")


def literal_secrets(source: AgentSource) -> Iterator[Diagnostic]:
    """No key or token stands in the file itself; it is not shown in the message either."""
    raw = source.layers.value
    for top in ("gateways", "tools"):
        for path, text in _strings(raw.get(top), (top,)):
            if path[-1] == "key_from" and not source.is_valid(*path):
                continue  # the schema refused it already, in a message that does not show it
            private = {"headers", "env", "key_from"}.intersection(path)
            written = without_variables(text)
            if has_known_secret(written) or (private and looks_secret(written)):
                fix = "name the variable that holds it" if path[-1] == "key_from" else "write ${env:NAME}"
                yield source.diagnostic(path, "a secret does not belong in the file", f"{fix}, and revoke this one")


def script(source: AgentSource) -> Iterator[Diagnostic]:
    """`script:` stands where gateway scripted can use it, and nowhere else."""
    names = [source.value.get("gateway"), *(route.get("gateway") for route in _mappings(source, "fallback"))]
    scripted = any(_dialect(source, name).answers_from_script for name in names)
    if scripted and not source.value.get("script"):
        yield source.layers.diagnostic(("gateway",), "gateway scripted answers from script:, which is missing")
    if source.value.get("script") and not scripted and source.is_valid("gateway"):
        yield source.diagnostic(("script",), f"gateway {names[0]} never reads it", "gateway: scripted", at_key=True)


def reply_schema(source: AgentSource) -> Iterator[Diagnostic]:
    """The schema of a structured reply is itself valid."""
    if source.is_valid("reply", "schema"):
        yield from schema_diagnostics(source, ("reply", "schema"), _value_at(source, ("reply", "schema")))


def variable_values(source: AgentSource) -> Iterator[Diagnostic]:
    """A variable's default suits its type and choices."""
    from runner.config.template.variables import parse_variable, type_mismatch  # lazy: most files have none

    for name, entry in _mapping(source, "variables").items():
        if not source.is_valid("variables", name):
            continue
        variable = parse_variable(name, entry)
        path: NodePath = ("variables", name)
        if isinstance(entry, dict) and "default" in entry:
            path = (*path, "default")
            if entry.get("required"):
                yield source.diagnostic(("variables", name), "required, yet it has a default", "keep one of the two")
        if variable.default is not None and (why := type_mismatch(variable, variable.default)):
            yield source.diagnostic(path, why)
        for index, choice in enumerate(variable.choices):
            if why := type_mismatch(variable, choice):
                yield source.diagnostic(("variables", name, "choices", index), why)


def schema_diagnostics(source: AgentSource, path: NodePath, schema: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """What makes a JSON Schema in the file invalid; a reference that leads out of it is not followed."""
    from runner.core.json_schema import InvalidSchema, JsonSchema  # lazy: few files have a schema

    try:
        JsonSchema(schema).compile()
    except InvalidSchema as error:
        message = (
            f"not a valid JSON Schema: {error}"
            if error.part is None
            else f"not valid in a JSON Schema: {str(error.part)[:80]!r}"
        )
        yield source.diagnostic((*path, *error.path), message)


def _dialect(source: AgentSource, gateway: Any) -> Dialect:
    """The dialect of a gateway that the file names; a file that is not valid may name anything."""
    own = _mapping(source, "gateways").get(str(gateway))
    dialect = own.get("dialect") if isinstance(own, dict) else None
    return dialect_named(str(dialect)) if dialect else dialect_of(str(gateway), source.user.gateways)


def _strings(value: Any, path: NodePath) -> Iterator[tuple[NodePath, str]]:
    """Every string in a value, with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _strings(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _strings(inner, (*path, index))


def _value_at(source: AgentSource, path: NodePath) -> Any:
    value: Any = source.value
    for key in path:
        value = value[key]
    return value


def _mapping(source: AgentSource, key: str) -> Mapping[str, Any]:
    value = source.value.get(key)
    return value if isinstance(value, dict) else {}


def _list(source: AgentSource, key: str) -> Sequence[Any]:
    value = source.value.get(key)
    return value if isinstance(value, list) else []


def _mappings(source: AgentSource, key: str) -> Iterator[Mapping[str, Any]]:
    return (item for item in _list(source, key) if isinstance(item, dict))


CHECKS: tuple[Check, ...] = (
    gateway_names,
    embedded_models,
    gateway_presets,
    literal_secrets,
    script,
    reply_schema,
    variable_values,
)
