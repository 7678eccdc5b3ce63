"""Parts of the transcript's JSON Schema that scripts, suites and recordings share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from runner.transcripts.expectations.text import NORMALIZERS
from runner.transcripts.model import COMPONENTS, FailureLevel, ToolMode

Schema = Mapping[str, Any]

TOOL_MODES: Mapping[ToolMode, str] = {
    "verify": "run the tool, compare with the recording, go on with the recorded result",
    "stub": "give the recorded result, never run the tool",
    "execute": "run the tool and go on with today's result",
    "forbid": "fail when it is called",
}


def closed_object(properties: Schema, required: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """An object with these properties and no others; `more` are further keywords."""
    return {
        "type": "object",
        **({"required": list(required)} if required else {}),
        "additionalProperties": False,
        **more,
        "properties": dict(properties),
    }


def described(description: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    """A value of one JSON type with its description; `more` are further keywords."""
    return {"type": kind, "description": description, **more}


def array_of(items: Schema, description: str) -> dict[str, Any]:
    """An array of such items."""
    return {"type": "array", "items": dict(items), "description": description}


NAME = {"type": "string", "minLength": 1}
HASH: Schema = {"type": ["string", "number"], "description": "A hash; bare, YAML may take it for a number."}
EXPECT = array_of({"$ref": "#/$defs/expectation"}, "What must hold.")
SHARED: Schema = {  # the keys of a script that its suite may set for it
    "clock": described("What now() and the tools see: ISO 8601 with an offset.", minLength=1),
    "seed": described("What tools may draw from.", "integer"),
    "variables": described("Values of the agent's variables, and of `{{ … }}` in this file.", "object"),
    "tools": {
        "type": "object",
        "description": "What a tool does in a replay: "
        + "; ".join(f"{name}: {text}" for name, text in TOOL_MODES.items()),
        "additionalProperties": {"enum": list(TOOL_MODES)},
    },
    "models": array_of(
        {"type": "string", "pattern": "^(?!hand/)[^/\\s]+/\\S.*$"},
        "Each GATEWAY/MODEL of which a recording is needed; else each that the agent file names, fallbacks included.",
    )
    | {"minItems": 1, "uniqueItems": True},
    "normalize": array_of({"enum": list(NORMALIZERS)}, "What is smoothed before texts are compared."),
    "stale": {
        "type": "object",
        "description": "Whether a changed part makes the recording stale or only warns.",
        "additionalProperties": False,
        "properties": {part: {"enum": list(get_args(FailureLevel)), "default": "error"} for part in COMPONENTS},
    },
    "redact": {
        "type": "object",
        "description": "NAME: regular expression; what matches is written as «NAME».",
        "propertyNames": {"pattern": "^[A-Za-z][A-Za-z0-9-]*$"},
        "additionalProperties": {"type": "string", "minLength": 1},
    },
}
