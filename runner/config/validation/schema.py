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
    from runner.core.json_schema import JsonSchema


MAX_VIOLATIONS = 1_000
_MAX_EVALUATIONS = 2_000_000  # enough for recordings of several megabytes


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
def _compiled(name: str, definition: str) -> JsonSchema:
    from runner.core.json_schema import JsonSchema  # lazy: what is certainly valid does not need it

    whole = schema(name)
    return JsonSchema({"$defs": whole["$defs"], **whole["$defs"][definition]} if definition else whole)


def schema_violations(value: Any, name: str, definition: str = "") -> list[SchemaViolation]:
    """What the schema `name`, or one of its `$defs`, does not allow in `value`; nothing as a rule.

    In a valid value, floats that stand for integers become integers. Where not all is told, the last violation is one
    of the whole value: nothing in it can be relied on.
    """
    whole = schema(name)
    root = {**whole, **whole["$defs"][definition]} if definition else whole
    if _prefer_fast_validator(name) and certainly_valid(
        value, whole["$defs"][definition] if definition else whole, whole
    ):
        return []
    violations = _compiled(name, definition).violations(value, MAX_VIOLATIONS, _MAX_EVALUATIONS)
    if not violations:
        from runner.config.validation.whole_numbers import use_whole_numbers  # lazy: few files hold such a number

        use_whole_numbers(value, root, whole)
        return []
    from runner.config.validation.schema_messages import MORE_IS_WRONG, worded  # lazy: only for what is wrong

    found = list(worded(violations, value, root))
    return [*found, MORE_IS_WRONG] if len(violations) >= MAX_VIOLATIONS else found


def _prefer_fast_validator(name: str) -> bool:
    """Agent files are few; of transcripts there may be a thousand, for which importing the library pays off."""
    return name == "agent" or "jsonschema_rs" not in sys.modules
