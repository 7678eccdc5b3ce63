"""JSON Schema validation: whether a value keeps a schema, and what in it does not. No reference is ever fetched.

jsonschema-rs says the quick yes, in linear time for regular expressions; jsonschema explains each no.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runner.core.json_schema_explanation import Violation

MAX_VIOLATIONS = 1_000
_MAX_EVALUATIONS = 100_000


class InvalidSchema(ValueError):
    """What is no JSON Schema; `path` leads to the part of it that is wrong, `part`."""

    def __init__(self, message: str, path: Sequence[str | int] = (), part: Any = None) -> None:
        super().__init__(message.partition("\n")[0])
        self.path = tuple(path)
        self.part = part


class JsonSchema:
    """A schema, compiled at the first use; each method raises InvalidSchema if it is none."""

    def __init__(self, schema: Mapping[str, Any] | bool) -> None:
        self.schema = schema
        self._validator: Any = None

    def compile(self) -> Any:
        """The validator of jsonschema-rs."""
        if self._validator is None:
            import jsonschema_rs  # lazy: many a session validates nothing

            schema = self.schema if isinstance(self.schema, bool) else dict(self.schema)
            try:
                self._validator = jsonschema_rs.validator_for(schema, retriever=_refuse)
            except jsonschema_rs.ValidationError as error:
                raise InvalidSchema(error.message, error.instance_path, error.instance) from None
            except (jsonschema_rs.ReferencingError, ValueError) as error:
                raise InvalidSchema(str(error)) from None
        return self._validator

    def is_valid(self, value: Any) -> bool:
        """Whether the value keeps the schema."""
        return bool(self.compile().is_valid(value))

    def violations(
        self, value: Any, most: int = MAX_VIOLATIONS, max_evaluations: int = _MAX_EVALUATIONS
    ) -> list[Violation]:
        """What in the value does not keep the schema, at most `most` of it; empty if the value is valid.

        A single one with a general message, if explaining it takes more than `max_evaluations` of subschemas.
        """
        if self.is_valid(value):
            return []
        from runner.core.json_schema_explanation import explain  # lazy: jsonschema is slow to import

        return explain(self.schema, value, most, max_evaluations, _keeps_keyword)


def _refuse(uri: str) -> Any:
    raise ValueError(f"{uri} is outside the schema")


def _keeps_keyword(draft: str, keyword: str, expected: Any, value: Any) -> bool:
    """Whether the value keeps a single keyword that needs no other one beside it."""
    return _single_keyword(draft, keyword, json.dumps(expected)).is_valid(value)


@lru_cache(maxsize=512)
def _single_keyword(draft: str, keyword: str, expected: str) -> JsonSchema:
    return JsonSchema({"$schema": draft, keyword: json.loads(expected)})
