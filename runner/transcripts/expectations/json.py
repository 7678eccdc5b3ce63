"""What the final text must be as JSON: the only value it is, or the first fenced block holds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import chain
from typing import Any

from runner.engine.structured import json_value
from runner.tools.argument_validator import validator
from runner.transcripts.expectations import Facts, Judged, Kind
from runner.transcripts.expectations.jsonpath import compiled, find
from runner.transcripts.expectations.matchers import differences, problem
from runner.transcripts.fingerprint import canonical_json


def _json(wanted: Mapping[str, Any], facts: Facts, normalize: tuple[str, ...]) -> Judged:
    try:
        value = json_value(facts.text.strip())
    except ValueError as error:
        return Judged("fail", str(error), f"+{facts.text.strip() or '(nothing)'}")
    wrong = list(chain(_schema_errors(wanted, value), _place_errors(wanted, value)))
    return Judged.unless("the JSON is not as wanted" if wrong else "", "\n".join(f"!{line}" for line in wrong[:12]))


def _schema_errors(wanted: Mapping[str, Any], value: Any) -> list[str]:
    if "schema" not in wanted:
        return []
    errors = _validator(canonical_json(wanted["schema"])).iter_errors(value)
    return ["$" + "".join(f"[{part!r}]" for part in each.instance_path) + f": {each.message}" for each in errors]


def _place_errors(wanted: Mapping[str, Any], value: Any) -> list[str]:
    wrong: list[str] = []
    for path, matcher in wanted.get("at", {}).items():
        found = find(path, value)
        if not found and not (isinstance(matcher, Mapping) and "$ignore" in matcher):
            wrong.append(f"{path}: nothing is there")
        wrong += chain.from_iterable(differences(matcher, each, path) for each in found)
    return wrong


@lru_cache(maxsize=256)
def _validator(schema: str) -> Any:
    from json import loads

    return validator(loads(schema))


def _problem(wanted: Mapping[str, Any]) -> str:
    for path, matcher in wanted.get("at", {}).items():
        try:
            compiled(path)
        except ValueError as error:
            return str(error)
        if wrong := problem(matcher):
            return f"{path}: {wrong}"
    if "schema" in wanted:
        try:
            _validator(canonical_json(wanted["schema"]))
        except ValueError as error:
            return f"schema: not a JSON Schema: {str(error).splitlines()[0]}"
    return ""


KINDS: Mapping[str, Kind] = {
    "json": Kind(
        {
            "type": "object",
            "description": "The text's only JSON value, or its first fenced block; `{}` wants JSON of any kind.",
            "additionalProperties": False,
            "properties": {
                "schema": {"type": ["object", "boolean"], "description": "A JSON Schema that it keeps."},
                "at": {
                    "type": "object",
                    "description": "JSONPath to the value or matcher that must be there.",
                },
            },
        },
        _json,
        _problem,
    )
}
