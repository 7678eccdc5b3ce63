"""The expectation `json`: the final text as JSON, its only value or that of the first fenced block."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import chain
from typing import Any

from runner.config.template.render import is_template
from runner.core.json_schema import JsonSchema
from runner.core.truncate import truncate_list
from runner.engine.structured import json_value
from runner.transcripts.expectations import ExpectationKind, Result
from runner.transcripts.expectations.jsonpath import compile_path, values_at
from runner.transcripts.expectations.matchers import differences, problem
from runner.transcripts.expectations.turn_result import TurnResult
from runner.transcripts.expectations.vacuity import never_matches
from runner.transcripts.fingerprint import canonical_json

_MAX_ERRORS = 12


def _json(expected: Mapping[str, Any], turn: TurnResult, normalize: tuple[str, ...]) -> Result:
    try:
        value = json_value(turn.text.strip())
    except ValueError as error:
        return Result("fail", str(error), f"+{turn.text.strip() or '(nothing)'}")
    errors = [f"!{error}" for error in chain(_schema_errors(expected, value), _path_errors(expected, value))]
    return Result.unless(
        "the JSON is not as wanted" if errors else "", "\n".join(truncate_list(errors, _MAX_ERRORS, "!… and {} more"))
    )


def _schema_errors(expected: Mapping[str, Any], value: Any) -> list[str]:
    if "schema" not in expected:
        return []
    return [
        "$" + "".join(f"[{key!r}]" for key in violation.path) + f": {violation.message}"
        for violation in _compiled(canonical_json(expected["schema"])).violations(value)
    ]


def _path_errors(expected: Mapping[str, Any], value: Any) -> list[str]:
    errors: list[str] = []
    for path, matcher in expected.get("at", {}).items():
        values = values_at(path, value)
        if not values and not (isinstance(matcher, Mapping) and "$ignore" in matcher):
            errors.append(f"{path}: nothing is there")
        errors += chain.from_iterable(differences(matcher, value, path) for value in values)
    return errors


@lru_cache(maxsize=256)
def _compiled(schema: str) -> JsonSchema:
    from json import loads

    return JsonSchema(loads(schema))


def _problem(expected: Mapping[str, Any]) -> str:
    for path, matcher in expected.get("at", {}).items():
        try:
            is_template(path) or compile_path(path)
        except ValueError as error:
            return str(error)
        if text := problem(matcher):
            return f"{path}: {text}"
    if "schema" in expected:
        try:
            _compiled(canonical_json(expected["schema"])).compile()
        except ValueError as error:
            return f"schema: not a JSON Schema: {error}"
    return ""


def _fits_no_json(expected: Mapping[str, Any], normalize: tuple[str, ...]) -> bool:
    impossible = expected.get("schema", True) in (False, {"not": {}}, {"not": True})
    return impossible or any(map(never_matches, expected.get("at", {}).values()))


KINDS: Mapping[str, ExpectationKind] = {
    "json": ExpectationKind(
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
        never_holds=_fits_no_json,
    )
}
