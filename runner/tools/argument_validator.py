"""A JSON value against its JSON Schema: what does not fit, and where."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from runner.core.truncate import truncate_list

_MOST = 10


class Checker:
    """One schema, compiled at the first check. References to other documents are never fetched."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema
        self._validator: Any = None

    def problems(self, value: Any) -> tuple[str, ...]:
        """A line for each misfit, `path: message`; none if the value fits."""
        if self._validator is None:
            self._validator = validator(self.schema)
        if self._validator.is_valid(value):
            return ()
        lines = [f"{_path(error.instance_path)}: {error.message}" for error in self._validator.iter_errors(value)]
        return tuple(truncate_list(lines, _MOST, "… and {} more"))


def validator(schema: Mapping[str, Any]) -> Any:
    """The schema, compiled; no reference leads out of it. Raises jsonschema_rs.ValidationError, ValueError."""
    import jsonschema_rs  # lazy: many a session checks nothing

    return jsonschema_rs.validator_for(dict(schema), retriever=_refuse)


def _path(parts: list[str | int]) -> str:
    if not parts:
        return "arguments"
    return "".join(f"[{json.dumps(part)}]" if isinstance(part, int) else f".{part}" for part in parts).lstrip(".")


def _refuse(uri: str) -> Any:
    raise ValueError(f"{uri} is outside the schema")
