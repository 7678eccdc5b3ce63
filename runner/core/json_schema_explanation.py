"""Why a value does not keep a JSON Schema, as jsonschema finds it; what would take too long has a general message.

Regular expressions and formats are judged by the caller's `keeps_keyword`: Python's `re` may backtrack for centuries.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from runner.core.spelling import counted

KeepsKeyword = Callable[[str, str, Any, Any], bool]

GENERAL_MESSAGE = "does not keep the schema"
_MAX_CHOICES = 3
_SINGLE = ("contentEncoding", "contentMediaType", "format", "multipleOf", "pattern", "uniqueItems")
_TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
_KEYWORDS = (
    *("type", "const", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    *("minLength", "maxLength", "pattern", "format", "minItems", "maxItems", "uniqueItems", "items", "prefixItems"),
    *("contains", "minProperties", "maxProperties", "dependentRequired", "properties", "additionalProperties"),
    *("required", "patternProperties", "propertyNames", "dependentSchemas", "allOf", "anyOf", "oneOf", "not", "if"),
    *("unevaluatedItems", "unevaluatedProperties", "$ref"),
)
_ORDER = {keyword: position for position, keyword in enumerate(_KEYWORDS)}


@dataclass(frozen=True, slots=True)
class Violation:
    """A part of a value that does not keep `keyword` of `schema`; without a keyword only the message is known.

    `names` are the properties that are missing, unexpected or misnamed; `branches` say why each alternative of an
    `anyOf` or `oneOf` does not fit.
    """

    path: tuple[str | int, ...]
    message: str
    keyword: str = ""
    schema: Mapping[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    branches: tuple[tuple[Violation, ...], ...] = ()


_GENERAL = Violation((), GENERAL_MESSAGE)


class _Unexplained(Exception):
    """What jsonschema would take too long to explain."""


def explain(
    schema: Mapping[str, Any] | bool, value: Any, most: int, max_evaluations: int, keeps_keyword: KeepsKeyword
) -> list[Violation]:
    """The first `most` violations of a value that does not keep the schema, in the order of their keywords.

    A general one of the whole value ends the list where the others could not be found.
    """
    from jsonschema.exceptions import UnknownType  # lazy: only what is invalid is explained
    from referencing.exceptions import Unresolvable

    violations: list[Violation] = []
    if not _has_inner_dialect(schema):
        explanation = _Explanation(schema, max_evaluations, keeps_keyword)
        try:
            for error in islice(explanation.errors(value), most):
                violations.append(_violation(error))
        except (_Unexplained, RecursionError, ArithmeticError, UnknownType, Unresolvable):
            pass  # what was found until then
        else:
            return violations or [_GENERAL]
    return [*violations, _GENERAL]


def _has_inner_dialect(schema: Mapping[str, Any] | bool) -> bool:
    """Whether a part of the schema may have its own `$schema`, for which jsonschema would leave our keywords."""
    return not isinstance(schema, bool) and any('"$schema"' in json.dumps(part) for part in schema.values())


class _Explanation:
    """One explanation by jsonschema, with keywords in our order and a limit on the subschemas that it evaluates."""

    def __init__(self, schema: Mapping[str, Any] | bool, max_evaluations: int, keeps_keyword: KeepsKeyword) -> None:
        from jsonschema.validators import Draft202012Validator, validator_for  # lazy, as above

        self._keeps_keyword = keeps_keyword
        self._evaluations_left = max_evaluations
        self._draft: Any = validator_for(schema, Draft202012Validator)
        self._has_patterns = "patternProperties" in json.dumps(schema)
        # Without its own `$schema`, a reference to the whole schema stays with this class.
        self._schema = schema if isinstance(schema, bool) else {key: schema[key] for key in schema if key != "$schema"}

    def errors(self, value: Any) -> Iterator[Any]:
        """What jsonschema finds."""
        from jsonschema.validators import create  # lazy, as above
        from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]

        keywords = {
            "additionalProperties": self._additional_properties,
            "dependentRequired": _dependent_required,
            "patternProperties": self._pattern_properties,
            "properties": _properties,
            "propertyNames": _property_names,
            "required": _required,
        }
        if self._has_patterns:
            keywords["unevaluatedProperties"] = _unexplained
        known, single = self._draft.VALIDATORS, {keyword: self._single(keyword) for keyword in _SINGLE}
        validator = create(
            meta_schema=self._draft.META_SCHEMA,
            validators={**known, **{name: keywords[name] for name in keywords.keys() & known}, **single},
            type_checker=self._draft.TYPE_CHECKER,
            id_of=self._draft.ID_OF,
            applicable_validators=self._keywords_of,
        )
        return iter(validator(self._schema, registry=REGISTRY).iter_errors(value))

    def _keywords_of(self, schema: Any) -> Iterable[tuple[str, Any]]:
        self._evaluations_left -= 1
        if self._evaluations_left < 0:
            raise _Unexplained
        if "$ref" in schema and "$vocabulary" not in self._draft.META_SCHEMA:  # until draft 7 it stands alone
            return [("$ref", schema["$ref"])]
        return sorted(schema.items(), key=lambda item: _ORDER.get(item[0], len(_ORDER)))

    def _single(self, keyword: str) -> Callable[[Any, Any, Any, Any], Iterator[Any]]:
        def errors(validator: Any, expected: Any, value: Any, schema: Any) -> Iterator[Any]:
            if not self._keeps(keyword, expected, value):
                yield _error()

        return errors

    def _keeps(self, keyword: str, expected: Any, value: Any) -> bool:
        return self._keeps_keyword(self._draft.META_SCHEMA["$schema"], keyword, expected, value)

    def _pattern_properties(self, validator: Any, patterns: Any, value: Any, schema: Any) -> Iterator[Any]:
        for pattern, subschema in sorted(patterns.items()) if isinstance(value, dict) else ():
            for name, member in value.items():
                if self._keeps("pattern", pattern, name):
                    yield from _member_errors(validator, subschema, member, name, pattern)

    def _additional_properties(self, validator: Any, subschema: Any, value: Any, schema: Any) -> Iterator[Any]:
        if not isinstance(value, dict):
            return
        known, patterns = schema.get("properties", {}), schema.get("patternProperties", ())
        names = [name for name in value if name not in known]
        names = [name for name in names if not any(self._keeps("pattern", pattern, name) for pattern in patterns)]
        if subschema is False and names:
            yield _error(*names)
        for name in names if subschema is not False else ():
            yield from _member_errors(validator, subschema, value[name], name)


def _properties(validator: Any, properties: Mapping[str, Any], value: Any, schema: Any) -> Iterator[Any]:
    """In the order of the value where the object is closed, else in that of the names."""
    for name in value if isinstance(value, dict) and "additionalProperties" in schema else sorted(properties):
        if isinstance(value, dict) and name in value and name in properties:
            yield from _member_errors(validator, properties[name], value[name], name, name)


def _member_errors(validator: Any, subschema: Any, member: Any, name: str, schema_path: Any = None) -> Iterator[Any]:
    for error in validator.descend(member, subschema, path=name, schema_path=schema_path):
        if subschema is False:  # jsonschema leaves the path out
            error.path.appendleft(name)
        yield error


def _property_names(validator: Any, names_schema: Any, value: Any, schema: Any) -> Iterator[Any]:
    for name in value if isinstance(value, dict) else ():
        for error in validator.descend(name, names_schema):
            yield _error(name, message=_message(error))


def _unexplained(validator: Any, expected: Any, value: Any, schema: Any) -> Iterator[Any]:
    """For `unevaluatedProperties`, which jsonschema compares with patterns by `re`."""
    raise _Unexplained


def _required(validator: Any, names: Any, value: Any, schema: Any) -> Iterator[Any]:
    for name in names if isinstance(value, dict) else ():
        if name not in value:
            yield _error(name)


def _dependent_required(validator: Any, dependencies: Any, value: Any, schema: Any) -> Iterator[Any]:
    for name, names in dependencies.items() if isinstance(value, dict) else ():
        if name in value:
            yield from _required(validator, names, value, schema)


def _error(*names: str, message: str = "") -> Any:
    """An error of a keyword of ours, with the names of the properties that it is about."""
    from jsonschema.exceptions import ValidationError  # lazy, as above

    error: Any = ValidationError(message)
    error.names = names
    return error


def _violation(error: Any) -> Violation:
    branches: dict[int, list[Violation]] = {}
    for inner in error.context:
        branches.setdefault(next(iter(inner.relative_schema_path), 0), []).append(_violation(inner))
    return Violation(
        tuple(error.absolute_path),
        _message(error),
        error.validator or "",
        error.schema if isinstance(error.schema, dict) else {},
        getattr(error, "names", ()),
        tuple(map(tuple, branches.values())),
    )


def _message(error: Any) -> str:
    keyword, expected, value = error.validator, error.validator_value, error.instance
    if keyword is None:
        return f"False schema does not allow {_json(value)}"
    message = _MESSAGES.get(keyword)
    return message(error, expected, value) if message else str(error.message)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _choices(choices: Sequence[Any]) -> str:
    """`1, 2 or 3`; of many only the first two."""
    shown = [_json(choice) for choice in choices[:_MAX_CHOICES]]
    if len(choices) > _MAX_CHOICES:
        shown[-1] = f"{len(choices) - _MAX_CHOICES + 1} other candidates"
    return " or ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def _types(types: str | Sequence[str]) -> str:
    names = [types] if isinstance(types, str) else [name for name in _TYPES if name in types]
    return ("type " if len(names) == 1 else "types ") + ", ".join(map(_json, names))


def _unexpected(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names) + (" was" if len(names) == 1 else " were") + " unexpected"


def _size(relation: str, noun: str, plural: str = "") -> Callable[[Any, Any, Any], str]:
    return lambda error, expected, value: f"{_json(value)} {relation} than {counted(expected, noun, plural)}"


def _bound(relation: str, name: str) -> Callable[[Any, Any, Any], str]:
    def message(error: Any, expected: Any, value: Any) -> str:
        equal = error.validator.startswith("exclusive") or value == expected  # of draft 4, a bound may be exclusive
        return f"{_json(value)} is {relation} than {'or equal to ' * equal}the {name} of {_json(expected)}"

    return message


def _alternatives(error: Any, expected: Any, value: Any) -> str:
    relation = "is not valid under any" if error.context else "is valid under more than one"
    return f"{_json(value)} {relation} of the schemas listed in the '{error.validator}' keyword"


def _contains(error: Any, expected: Any, value: Any) -> str:
    return f"None of {_json(value)} are valid under the given schema"


def _missing(error: Any, expected: Any, value: Any) -> str:
    return f"{_json(error.names[0])} is a required property"


_MESSAGES: Mapping[str, Callable[[Any, Any, Any], str]] = {
    "additionalProperties": lambda error, expected, value: (
        f"Additional properties are not allowed ({_unexpected(error.names)})"
    ),
    "anyOf": _alternatives,
    "const": lambda error, expected, value: f"{_json(expected)} was expected",
    **dict.fromkeys(("contains", "minContains", "maxContains"), _contains),
    "contentEncoding": lambda error, expected, value: (
        f"{_json(value)} is not compliant with {_json(expected)} content encoding"
    ),
    "contentMediaType": lambda error, expected, value: (
        f"{_json(value)} is not compliant with {_json(expected)} media type"
    ),
    "dependentRequired": _missing,
    "enum": lambda error, expected, value: f"{_json(value)} is not one of {_choices(expected)}",
    "exclusiveMaximum": _bound("greater", "maximum"),
    "exclusiveMinimum": _bound("less", "minimum"),
    "format": lambda error, expected, value: f'{_json(value)} is not a "{expected}"',
    "maxItems": _size("has more", "item"),
    "maxLength": _size("is longer", "character"),
    "maxProperties": _size("has more", "property", "properties"),
    "maximum": _bound("greater", "maximum"),
    "minItems": _size("has less", "item"),
    "minLength": _size("is shorter", "character"),
    "minProperties": _size("has less", "property", "properties"),
    "minimum": _bound("less", "minimum"),
    "multipleOf": lambda error, expected, value: f"{_json(value)} is not a multiple of {_json(expected)}",
    "not": lambda error, expected, value: f"{_json(expected)} is not allowed for {_json(value)}",
    "oneOf": _alternatives,
    "pattern": lambda error, expected, value: f'{_json(value)} does not match "{expected}"',
    "required": _missing,
    "type": lambda error, expected, value: f"{_json(value)} is not of {_types(expected)}",
    "uniqueItems": lambda error, expected, value: f"{_json(value)} has non-unique elements",
}
