"""The JSON Schema of a recording's document: its inputs, its request and its replies."""

from __future__ import annotations

from typing import Any, get_args

from runner.core.messages import FinishReason
from runner.gateways import Capabilities
from runner.transcripts.files.schema_parts import HASH, SHARED, Schema, array_of, closed_object, described
from runner.transcripts.fingerprint import PARTS
from runner.transcripts.model import COMPONENTS, FORMAT_VERSION

_COUNT: Schema = {"type": "integer", "minimum": 0, "maximum": 1_000_000_000_000}
# Capabilities that are no booleans.
_CAPABILITY_TYPES: Schema = {
    "window": {**_COUNT, "type": ["integer", "null"]},
    "lacks": {"type": "array", "items": {"type": "string"}},
}


def recording_schema() -> dict[str, Any]:
    """A document below the script."""
    return closed_object(
        {
            "recording": described("GATEWAY/MODEL, or hand/NAME for one that people write.", pattern=r"^[^\s/]+/\S+$"),
            "format": {
                "const": FORMAT_VERSION,
                "default": FORMAT_VERSION,
                "description": "The version of this format.",
            },
            "resolved": described("The model's full name, as its server gave it."),
            "recorded": described("When."),
            "with": _inputs(),
            "redacted": {
                "type": "object",
                "additionalProperties": _COUNT,
                "description": "How often each secret was masked.",
            },
            "accepted": array_of(
                {"enum": list(COMPONENTS)}, "Parts whose change was accepted without a new recording."
            ),
            "routes": array_of(
                _route(), "The models that were asked where a fallback took place: the agent's first choice first."
            ),
            "request": _request(),
            "turns": {
                "type": "object",
                "description": "The replies of each turn, by its id.",
                "additionalProperties": {"type": "array", "items": {"$ref": "#/$defs/reply"}},
            },
            "state": {
                "type": "object",
                "additionalProperties": _text("`[DIALECT, MODEL, CONTENT]` as JSON."),
                "description": "What servers want back unchanged, by TURN/REPLY.",
            },
            "expect": array_of({"$ref": "#/$defs/expectation"}, "Replaces the script's, in a hand-written recording."),
        },
        ("recording", "turns"),
    )


def _inputs() -> dict[str, Any]:
    return closed_object(
        {
            **{key: SHARED[key] for key in ("clock", "seed", "variables")},
            "capabilities": _capabilities(),
            "allow": array_of({"type": "string"}, "Permission rules of `chat --allow`."),
            "deny": array_of({"type": "string"}, "Permission rules of `chat --deny`."),
        },
        description="What was injected, and is again in a replay.",
    )


def _capabilities() -> dict[str, Any]:
    return closed_object(
        {name: _CAPABILITY_TYPES.get(name, {"type": "boolean"}) for name in Capabilities.__dataclass_fields__},
        description="What the gateway said of the model, where it is not the default.",
    )


def _route() -> dict[str, Any]:
    return closed_object(
        {
            "model": described("GATEWAY/MODEL.", pattern=r"^[^\s/]+/\S+$"),
            "capabilities": _capabilities(),
            "options": described("The options that were set, for a fallback.", "object"),
            "stamp": closed_object(dict.fromkeys(PARTS, HASH), PARTS, description="The hashes of the parts."),
        },
        ("model",),
    )


def _request() -> dict[str, Any]:
    tool = closed_object(
        {
            "sig": described("Its parameters."),
            "doc": described("Its description."),
            "is": HASH,
            "schema": {
                "type": ["string", "object"],
                "description": "The schema of its parameters as JSON text, or {$blob: …} for a long one.",
            },
        }
    )
    entry = closed_object(
        {
            "kind": described("The key that stands before it in the agent file, such as mcp or python."),
            "options": described("Those of its options that decide what the model is told.", "object"),
            "tools": array_of({"type": "string"}, "The names of its tools."),
        },
        ("kind",),
    )
    return closed_object(
        {
            "system": described("The rendered system prompt."),
            "tools": {"type": "object", "additionalProperties": tool, "description": "The tools, in their order."},
            "entries": {
                "type": "object",
                "additionalProperties": entry,
                "description": "Entries under tools: of the agent file that a replay does not open, by their name.",
            },
            "options": described("The options that were set.", "object"),
            "stamp": closed_object(
                dict.fromkeys((*PARTS, "turns"), HASH),
                (*PARTS, "turns"),
                description="The hashes of the parts, which tell what has changed, and an edit by hand.",
            ),
        },
        ("system", "options", "stamp"),
        description="What every request had in common. Only a hand/ recording, which never goes stale, is without it.",
    )


def _text(description: str) -> Schema:
    """A text, or the reference to the blob that holds a long one."""
    blob = closed_object({"$blob": described("The blob's file name.")}, ("$blob",))
    return blob | {"type": ["string", "object"], "description": f"{description} `{{$blob: NAME}}` for a long one."}


def recorded_reply_schema() -> dict[str, Any]:
    """One model reply with the calls it made."""
    error = closed_object(
        {
            "status": {**_COUNT, "description": "The HTTP status; none for a broken connection."},
            "code": described("The error's code, such as GW-RATE."),
            "message": described("The server's own words."),
            "retry_after": {"type": "number", "description": "Seconds."},
        },
        description="Fails instead of finishing.",
    )
    fields = closed_object(
        {
            "seen": {**HASH, "description": "The hash of all that the model had seen."},
            "route": {
                "type": "integer",
                "minimum": 1,
                "default": 1,
                "description": "Which of the agent's models was asked: 1 the first choice, 2 its first fallback.",
            },
            "asked": array_of(
                {"type": "integer", "minimum": 1},
                "Which of its calls the permissions asked about, where the script does not hold the answer.",
            ),
            "finish": {
                "enum": list(get_args(FinishReason)),
                "description": "How the reply ended; incomplete and cancelled for one that broke off.",
            },
            "error": error,
            "in": {**_COUNT, "description": "Tokens of the prompt."},
            "out": {**_COUNT, "description": "Tokens of the reply."},
            "cached": {**_COUNT, "description": "Of the prompt's, read from a cache."},
            "reasoning": {**_COUNT, "description": "Of the reply's, spent on thinking."},
            "ms": array_of(_COUNT, "Milliseconds to the first chunk and to the last.") | {"minItems": 2, "maxItems": 2},
        }
    )
    return closed_object(
        {
            "reply": fields,
            "text": _text("The answer."),
            "thinking": _text("The model's reasoning."),
            "chunks": {"type": ["string", "integer"], "description": "Lengths of the streamed pieces: `4 1x3`."},
            "calls": array_of(_call(), "The tool calls, in their order."),
        },
        ("reply",),
    )


def _call() -> dict[str, Any]:
    return {
        "type": "object",
        "minProperties": 1,
        "description": "`TOOL: {arguments}` and its result.",
        "properties": {
            "args_text": _text("The arguments as written, where they are no JSON object; `TOOL:` is empty then."),
            "returned": {"description": "The result; absent where no tool ran."},
            "failed": described("The result says that the call failed.", "boolean"),
        },
        "additionalProperties": {"type": ["object", "null"], "description": "A tool, and its arguments."},
    }
