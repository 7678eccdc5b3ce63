"""What a shape cannot say: names that must be known, texts that must parse, settings that must go together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from runner.config.diagnostics import Diagnostic
from runner.config.draft import Draft
from runner.config.yaml.document import NodePath
from runner.core.entry_points import GATEWAYS, find_entry_point
from runner.core.errors import ModelMissing
from runner.core.secrets import has_known_secret, looks_secret
from runner.core.spelling import nearest
from runner.gateways import CATALOGUE, DIALECTS
from runner.tools.argument_validator import validator

Check = Callable[[Draft], Iterator[Diagnostic]]


def gateway_names(draft: Draft) -> Iterator[Diagnostic]:
    """The gateway and each fallback are known: from the catalogue, the file, the user's file, or a package."""
    known = {*CATALOGUE, *draft.user.gateways, *_mapping(draft, "gateways")}
    named: list[NodePath] = [("gateway",)]
    named += [("fallback", index, "gateway") for index in range(len(_list(draft, "fallback")))]
    for path in named:
        if draft.sound(*path) and (name := _at(draft, path)) not in known and find_entry_point(GATEWAYS, name) is None:
            hint = nearest(name, known) or f"known: {', '.join(sorted(known))}"
            yield draft.diagnostic(path, f"no gateway is named {name!r}", hint)


def embedded_models(draft: Draft) -> Iterator[Diagnostic]:
    """Models of gateway local that name neither a known one nor a GGUF file: a warning, since others may be asked."""
    choices = [((), draft.value), *((("fallback", index), each) for index, each in enumerate(_list(draft, "fallback")))]
    paths = [(*path, "model") for path, each in choices if isinstance(each, dict) and each.get("gateway") == "local"]
    for path in filter(lambda path: draft.sound(*path), paths):
        from runner.gateways.local.models import KNOWN, weights  # lazy: few agents name such a model

        try:
            weights(_at(draft, path))
        except ModelMissing as missing:
            hint = nearest(_at(draft, path), KNOWN) or missing.fix
            yield draft.diagnostic(path, missing.what, hint, severity="warning")


def gateway_rows(draft: Draft) -> Iterator[Diagnostic]:
    """The file's own gateways speak a known dialect, have an address, and hold no key."""
    for name, row in _mapping(draft, "gateways").items():
        path = ("gateways", name)
        if not draft.sound(*path):
            continue
        dialect = row["dialect"]
        if dialect not in DIALECTS and find_entry_point(GATEWAYS, dialect) is None:
            hint = nearest(dialect, DIALECTS) or f"known: {', '.join(DIALECTS)}"
            yield draft.diagnostic((*path, "dialect"), f"no dialect is named {dialect!r}", hint)
        url = row.get("url", "")
        if "url" not in row and "url_from" not in row and dialect not in ("local", "scripted"):
            yield draft.diagnostic(path, "needs url:", at_key=True)
        if url and (*path, "url") not in draft.unfilled and not url.startswith(("http://", "https://")):
            yield draft.diagnostic((*path, "url"), "must begin with http:// or https://")


def literal_secrets(draft: Draft) -> Iterator[Diagnostic]:
    """No key or token stands in the file itself; it is not shown in the message either."""
    raw = draft.layers.value
    for top in ("gateways", "tools"):
        for path, text in _texts(raw.get(top), (top,)):
            if path[-1] == "key_from" and not draft.sound(*path):
                continue  # its shape has been refused already, in words that show nothing
            private = {"headers", "env", "key_from"}.intersection(path)
            if "${" not in text and (has_known_secret(text) or (private and looks_secret(text))):
                way = "name the variable that holds it" if path[-1] == "key_from" else "write ${env:NAME}"
                yield draft.diagnostic(path, "a secret does not belong in the file", f"{way}, and revoke this one")


def script(draft: Draft) -> Iterator[Diagnostic]:
    """`script:` stands where gateway scripted can use it, and nowhere else."""
    choices = [draft.value.get("gateway"), *(each.get("gateway") for each in _mappings(draft, "fallback"))]
    scripted = "scripted" in choices
    if scripted and not draft.value.get("script"):
        yield draft.layers.diagnostic(("gateway",), "gateway scripted answers from script:, which is missing")
    if draft.value.get("script") and not scripted and draft.sound("gateway"):
        yield draft.diagnostic(("script",), f"gateway {choices[0]} never reads it", "gateway: scripted", at_key=True)


def reply_schema(draft: Draft) -> Iterator[Diagnostic]:
    """The schema of a structured reply is itself valid."""
    if draft.sound("reply", "schema"):
        yield from schema_diagnostics(draft, ("reply", "schema"), _at(draft, ("reply", "schema")))


def variable_values(draft: Draft) -> Iterator[Diagnostic]:
    """A variable's default suits its type and choices."""
    from runner.config.template.variables import declared, misfit  # lazy: most files have none

    for name, entry in _mapping(draft, "variables").items():
        if not draft.sound("variables", name):
            continue
        variable = declared(name, entry)
        path: NodePath = ("variables", name)
        if isinstance(entry, dict) and "default" in entry:
            path = (*path, "default")
            if entry.get("required"):
                yield draft.diagnostic(("variables", name), "required, yet it has a default", "keep one of the two")
        if variable.default is not None and (why := misfit(variable, variable.default)):
            yield draft.diagnostic(path, why)
        for index, choice in enumerate(variable.choices):
            if why := misfit(variable, choice):
                yield draft.diagnostic(("variables", name, "choices", index), why)


def schema_diagnostics(draft: Draft, path: NodePath, schema: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """What makes a JSON Schema in the file invalid; a reference that leads out of it is not followed."""
    import jsonschema_rs  # lazy

    try:
        validator(schema)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        wrong = getattr(error, "instance", None)
        why = str(getattr(error, "message", error)).splitlines()[0]
        message = (
            f"not a valid JSON Schema: {why}" if wrong is None else f"not valid in a JSON Schema: {str(wrong)[:80]!r}"
        )
        yield draft.diagnostic((*path, *getattr(error, "instance_path", ())), message)


def _texts(value: Any, path: NodePath) -> Iterator[tuple[NodePath, str]]:
    """Every text in a value, with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _texts(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _texts(each, (*path, index))


def _at(draft: Draft, path: NodePath) -> Any:
    found: Any = draft.value
    for key in path:
        found = found[key]
    return found


def _mapping(draft: Draft, key: str) -> Mapping[str, Any]:
    found = draft.value.get(key)
    return found if isinstance(found, dict) else {}


def _list(draft: Draft, key: str) -> Sequence[Any]:
    found = draft.value.get(key)
    return found if isinstance(found, list) else []


def _mappings(draft: Draft, key: str) -> Iterator[Mapping[str, Any]]:
    return (each for each in _list(draft, key) if isinstance(each, dict))


CHECKS: tuple[Check, ...] = (
    gateway_names,
    embedded_models,
    gateway_rows,
    literal_secrets,
    script,
    reply_schema,
    variable_values,
)
