"""A tool's arguments against its JSON Schema: a line for each thing that does not fit, and where it stands."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from runner.core.json_schema import JsonSchema
from runner.core.truncate import truncate_list

_MOST = 10


def argument_problems(schema: JsonSchema, value: Any) -> list[str]:
    """A line for each violation, `path: message`; none if the value keeps the schema."""
    lines = [f"{_path(violation.path)}: {violation.message}" for violation in schema.violations(value)]
    return truncate_list(lines, _MOST, "… and {} more")


def _path(parts: Sequence[str | int]) -> str:
    if not parts:
        return "arguments"
    return "".join(f"[{json.dumps(part)}]" if isinstance(part, int) else f".{part}" for part in parts).lstrip(".")
