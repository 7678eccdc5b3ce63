"""Structured output: the schema an answer must keep, and the JSON value that the answer is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from runner.core import strict_json as strict
from runner.core.errors import UsageError
from runner.core.json_schema import InvalidSchema, JsonSchema

_MOST = 5
_FENCE = "```"
_FENCE_LINE = re.compile(r"```[A-Za-z]*[ \t]*\r?\n")


class ReplySchema:
    """A JSON Schema that replies are held to, asked again with the error up to `retries` times."""

    def __init__(self, schema: Mapping[str, Any], retries: int = 2) -> None:
        self.schema = dict(schema)
        self._compiled = JsonSchema(self.schema)
        self.retries = retries

    @property
    def instruction(self) -> str:
        """What a model is told whose server does not enforce schemas."""
        return "Answer with a single JSON value and nothing else. It must keep this JSON Schema:\n" + json.dumps(
            self.schema, ensure_ascii=False
        )

    def problem(self, text: str) -> str:
        """Why the text does not keep the schema, or an empty string."""
        try:
            value = json_value(text)
        except ValueError as error:
            return str(error)
        try:
            violations = self._compiled.violations(value, _MOST)
        except InvalidSchema as error:
            raise UsageError("the schema of the reply is not valid", why=str(error)) from None
        return "; ".join(f"at {_path(violation.path)}: {violation.message}" for violation in violations)

    def value(self, text: str) -> Any:
        """The JSON value of a reply without a problem."""
        return json_value(text)


def json_value(text: str) -> Any:
    """The JSON value that a text is, or that its first fenced block holds. Raises ValueError."""
    fenced = _fenced(text)
    for candidate in (text,) if fenced is None else (text, fenced):
        try:
            return strict.loads(candidate)
        except ValueError as error:
            problem = f"the reply is not JSON: {error}"
    raise ValueError(problem)


def _fenced(text: str) -> str | None:
    """What the first fenced block holds, None where there is none; in time that grows with the text alone."""
    begin = _FENCE_LINE.search(text)
    end = text.find(_FENCE, begin.end()) if begin else -1
    return None if begin is None or end < 0 else text[begin.end() : end]


def _path(path: Any) -> str:
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
