"""The shipped JSON Schemas, which editors complete from, and the validation of files against them.

A valid value costs microseconds; the words for what is wrong are imported only for one that is not.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.config.validation.fast_validator import certainly_valid

if TYPE_CHECKING:
    from runner.config.validation.schema_messages import SchemaViolation


def schema_text(name: str) -> str:
    """The schema `agent` or `transcript` as it is shipped."""
    package = Path(__file__).parents[2]
    for folder in (package / "schemas", package.parent / "schemas"):  # the wheel's, the checkout's
        try:
            return (folder / f"{name}.schema.json").read_text("utf-8")
        except FileNotFoundError:
            continue
    raise FileNotFoundError(f"{name}.schema.json is missing from the installation")


@cache
def schema(name: str) -> Mapping[str, Any]:
    """The schema as a value."""
    import json  # lazy

    loaded: dict[str, Any] = json.loads(schema_text(name))
    return loaded


@cache
def _validator(name: str, definition: str) -> Any:
    import jsonschema_rs  # lazy

    whole = schema(name)
    return jsonschema_rs.validator_for(
        {"$defs": whole["$defs"], **whole["$defs"][definition]} if definition else dict(whole)
    )


def schema_violations(value: Any, name: str, definition: str = "") -> list[SchemaViolation]:
    """What the schema `name`, or one of its `$defs`, does not allow in `value`; nothing as a rule."""
    whole = schema(name)
    root = {**whole, **whole["$defs"][definition]} if definition else whole
    if _prefer_fast_validator(name) and certainly_valid(
        value, whole["$defs"][definition] if definition else whole, whole
    ):
        return []
    validator = _validator(name, definition)
    if validator.is_valid(value):
        return []
    from runner.config.validation.schema_messages import violations_of  # lazy: only for what is wrong

    return list(violations_of(validator.iter_errors(value), value, root))


def _prefer_fast_validator(name: str) -> bool:
    """Agent files are few; of transcripts there may be a thousand, for which importing the library pays off."""
    return name == "agent" or "jsonschema_rs" not in sys.modules
