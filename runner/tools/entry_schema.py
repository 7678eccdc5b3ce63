"""Building blocks of the JSON Schemas in which the kinds of tools describe their options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

HTTP_URL = r"^(https?://|\$\{env:)"


def options_schema(description: str, properties: Schema, required: tuple[str, ...] = (), **more: Any) -> Schema:
    """A mapping with these keys and no others."""
    return {
        "type": "object",
        "description": description,
        "additionalProperties": False,
        "properties": properties,
        **({"required": list(required)} if required else {}),
        **more,
    }


def shorthand_schema(title: str, text: Schema, mapping: Schema) -> Schema:
    """A bare text, or a mapping."""
    return {"title": title, "anyOf": [text, mapping]}


def shared(definition: str, **more: Any) -> Schema:
    """One of the definitions that every kind may use: effects, timeout, tool_name or parameters."""
    return {"$ref": f"#/$defs/{definition}", **more}


def text(description: str, **more: Any) -> Schema:
    return {"type": "string", "description": description, **more}


def texts(description: str, **more: Any) -> Schema:
    """A list of texts."""
    return {"type": "array", "description": description, "items": {"type": "string"}, **more}


def text_mapping(description: str) -> Schema:
    """A mapping of names to texts."""
    return {"type": "object", "description": description, "additionalProperties": {"type": "string"}}
