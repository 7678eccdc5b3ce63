"""What an agent file declares of all that executes or reaches out, without the words that are only for the model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from runner.config.agent import Permissions
from runner.tools.entry import ToolEntry

PERMISSIONS = "the permissions"
_WORDS = frozenset({"description", "title", "examples", "$comment"})
_NOT_ASKED_ABOUT = frozenset({"description", "timeout", "required"})
_SCHEMAS_BY_NAME = frozenset({"properties", "patternProperties", "$defs"})


Declaration = ToolEntry | tuple[str, Mapping[str, Any]] | Permissions
"""A tool, a gateway of the file's own by its name, or the rules by which calls are asked about."""


def declaration_texts(declarations: Iterable[Declaration]) -> Mapping[str, str]:
    """A text for each, by a name: the same as long as the same can be done. No value of the environment is in one."""
    texts: dict[str, str] = {}
    for declaration in declarations:
        name, value = _named(declaration)
        if value:
            number = sum(each == name or each.startswith(f"{name} (") for each in texts) + 1
            text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, default=str)
            texts[name if number == 1 else f"{name} ({number})"] = text
    return texts


def _named(declaration: Declaration) -> tuple[str, Mapping[str, Any]]:
    match declaration:
        case ToolEntry():
            written = declaration.written.items()
            options = {name: _without_words(value, name) for name, value in written if name not in _NOT_ASKED_ABOUT}
            return f"the tool {declaration.name or declaration.kind}", {declaration.kind: options}
        case Permissions():
            rules = {"allow": declaration.allow, "ask": declaration.ask, "deny": declaration.deny}
            return PERMISSIONS, {key: each for key, each in rules.items() if each}
        case name, written_gateway:
            return f"the gateway {name}", written_gateway


def _without_words(value: Any, option: str) -> Any:
    """Schemas without what describes them to a model."""
    if option != "parameters" or not isinstance(value, dict):
        return value
    return {name: _schema_without_words(schema) for name, schema in value.items()}


def _schema_without_words(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_schema_without_words(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: (
            {name: _schema_without_words(each) for name, each in value.items()}
            if key in _SCHEMAS_BY_NAME and isinstance(value, dict)
            else value
            if key in ("enum", "const", "default")
            else _schema_without_words(value)
        )
        for key, value in schema.items()
        if key not in _WORDS
    }
