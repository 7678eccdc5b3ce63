"""The transcript's JSON Schema, put together from its parts and from what each kind of expectation brings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from runner.gateways import Capabilities
from runner.transcripts.expectations import all_kinds
from runner.transcripts.expectations.text import NORMALIZERS
from runner.transcripts.model import COMPONENTS, FORMAT

TOOL_MODES = {
    "verify": "run the tool, compare with the recording, go on with the recorded result",
    "stub": "give the recorded result, never run the tool",
    "execute": "run the tool and go on with today's result",
    "forbid": "fail when it is called",
}

Schema = Mapping[str, Any]

_CAPABLE: Schema = {"window": {"type": ["integer", "null"]}, "lacks": {"type": "array", "items": {"type": "string"}}}


def assembled() -> dict[str, Any]:
    """The schema of a transcript file's documents and of `_suite.yaml`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "agent-run transcript",
        "description": "A conversation with an agent: the script and what is expected; below each --- a recording.",
        "if": {"required": ["recording"]},
        "then": {"$ref": "#/$defs/recording"},
        "else": {
            "if": {"required": ["suite"]},
            "then": {"$ref": "#/$defs/suite"},
            "else": {"$ref": "#/$defs/script"},
        },
        "$defs": {
            "script": _script(),
            "recording": _recording(),
            "suite": _suite(),
            "turn": _turn(),
            "expectation": _expectation(),
            "reply": _reply(),
        },
    }


def schema_text() -> str:
    """The schema as the file holds it."""
    return json.dumps(assembled(), indent=2, ensure_ascii=False) + "\n"


def _object(properties: Schema, required: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        **({"required": list(required)} if required else {}),
        "additionalProperties": False,
        **more,
        "properties": dict(properties),
    }


def _said(description: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    return {"type": kind, "description": description, **more}


def _list_of(items: Schema, description: str) -> dict[str, Any]:
    return {"type": "array", "items": dict(items), "description": description}


_NAME = {"type": "string", "minLength": 1}
_HASH: Schema = {"type": ["string", "number"], "description": "A hash; bare, YAML may take it for a number."}
_EXPECT = _list_of({"$ref": "#/$defs/expectation"}, "What must hold.")
_SHARED: Schema = {
    "clock": _said("What now() and the tools see: ISO 8601 with an offset.", minLength=1),
    "seed": _said("What tools may draw from.", "integer"),
    "variables": _said("Values of the agent's variables, and of `{{ … }}` in this file.", "object"),
    "tools": {
        "type": "object",
        "description": "What a tool does in a replay: "
        + "; ".join(f"{name}: {text}" for name, text in TOOL_MODES.items()),
        "additionalProperties": {"enum": list(TOOL_MODES)},
    },
    "normalize": _list_of({"enum": list(NORMALIZERS)}, "What is smoothed before texts are compared."),
    "stale": {
        "type": "object",
        "description": "Whether a changed part makes the recording stale or only warns.",
        "additionalProperties": False,
        "properties": {part: {"enum": ["error", "warn"], "default": "error"} for part in COMPONENTS},
    },
    "redact": {
        "type": "object",
        "description": "NAME: regular expression; what matches is written as «NAME».",
        "propertyNames": {"pattern": "^[A-Za-z][A-Za-z0-9-]*$"},
        "additionalProperties": {"type": "string", "minLength": 1},
    },
}


def _script() -> dict[str, Any]:
    return _object(
        {
            "transcript": {"const": FORMAT, "description": "The version of this format."},
            "agent": _said("The agent file, relative to this one.", minLength=1),
            "about": _said("What the conversation shows."),
            "tags": _list_of(_NAME, "For --only tag:…"),
            **_SHARED,
            "keep_going": _said("Go on after a turn that fails.", "boolean", default=False),
            "turns": {
                "type": "array",
                "minItems": 1,
                "items": {"$ref": "#/$defs/turn"},
                "description": "What the user says, and what must hold of what follows.",
            },
            "finally": _list_of({"$ref": "#/$defs/expectation"}, "What must hold of the whole conversation."),
        },
        ("transcript", "agent", "turns"),
    )


def _suite() -> dict[str, Any]:
    return _object(
        {
            "suite": {"const": FORMAT, "description": "The version of this format."},
            **_SHARED,
            "partials": {
                "type": "object",
                "description": "NAME: turns that a transcript splices in with `- include: NAME`.",
                "additionalProperties": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/turn"}},
            },
        },
        ("suite",),
    )


def _user() -> dict[str, Any]:
    """What the user says: a text, or a text with files."""
    said = "What the user says; `{{ … }}` takes variables and captured groups."
    files = _list_of(_NAME, "Images that go with it, relative to this file.")
    both = _object({"text": _said(said, minLength=1), "files": files}, required=("text",))
    return both | {"type": ["string", "object"], "minLength": 1, "description": said}


def _turn() -> dict[str, Any]:
    answers = _object(
        {
            "ask_user": _list_of({"type": "string"}, "The answers to ask_user, in order."),
            "approve": _list_of(_NAME, "The tools that may run."),
        },
        description="What the user answers in between; an unanswered question fails the turn.",
    )
    return _object(
        {
            "include": _said("A partial of _suite.yaml, in place of this turn.", minLength=1),
            "id": _said("The turn's name in recordings and reports.", pattern=r"^[^\s/]+$"),
            "user": _user(),
            "answers": answers,
            "keep_going": _said("Go on after this turn fails.", "boolean", default=False),
            "expect": _EXPECT,
        }
    )


def _expectation() -> dict[str, Any]:
    kinds = {key: dict(kind.schema) for key, kind in all_kinds().items()}
    return _object(
        {
            **kinds,
            "not": _object(kinds, minProperties=1, description="The expectation must not hold."),
            "when": {"enum": ["replay", "live", "both"], "default": "both", "description": "Where it is judged."},
            "severity": {"enum": ["error", "warn"], "default": "error", "description": "warn: told, never failing."},
            "normalize": _SHARED["normalize"],
        },
        minProperties=1,
    )


def _recording() -> dict[str, Any]:
    return _object(
        {
            "recording": _said("GATEWAY/MODEL, or hand/NAME for one that people write.", pattern=r"^[^\s/]+/\S+$"),
            "format": {"const": FORMAT, "default": FORMAT, "description": "The version of this format."},
            "resolved": _said("The model's full name, as its server gave it."),
            "recorded": _said("When."),
            "with": _inputs(),
            "redacted": {
                "type": "object",
                "additionalProperties": {"type": "integer"},
                "description": "How often each secret was masked.",
            },
            "accepted": _list_of(
                {"enum": list(COMPONENTS)}, "Parts whose change was accepted without a new recording."
            ),
            "request": _request(),
            "turns": {
                "type": "object",
                "description": "The replies of each turn, by its id.",
                "additionalProperties": {"type": "array", "items": {"$ref": "#/$defs/reply"}},
            },
            "state": _said("What servers want back unchanged, by TURN/REPLY.", "object"),
            "expect": _list_of({"$ref": "#/$defs/expectation"}, "Replaces the script's, in a hand-written recording."),
        },
        ("recording", "turns"),
    )


def _inputs() -> dict[str, Any]:
    return _object(
        {
            **{key: _SHARED[key] for key in ("clock", "seed", "variables")},
            "capabilities": _object(
                {name: _CAPABLE.get(name, {"type": "boolean"}) for name in Capabilities.__dataclass_fields__},
                description="What the gateway said of the model, where it is not the default.",
            ),
        },
        description="What was injected, and is again in a replay.",
    )


def _request() -> dict[str, Any]:
    tool = _object({"sig": _said("Its parameters."), "doc": _said("Its description."), "is": _HASH})
    return _object(
        {
            "system": _said("The rendered system prompt."),
            "tools": {"type": "object", "additionalProperties": tool, "description": "The tools, in their order."},
            "options": _said("The options that were set.", "object"),
            "stamp": {
                "type": "object",
                "additionalProperties": _HASH,
                "description": "The parts' hashes.",
            },
        },
        ("system", "options", "stamp"),
        description="What every request had in common; without it a recording never goes stale.",
    )


def _reply() -> dict[str, Any]:
    count = {"type": "integer", "minimum": 0}
    error = _object(
        {
            "status": {**count, "description": "The HTTP status; none for a broken connection."},
            "code": _said("The error's code, such as GW-RATE."),
            "message": _said("The server's own words."),
            "retry_after": {"type": "number", "description": "Seconds."},
        },
        description="Fails instead of finishing.",
    )
    facts = _object(
        {
            "seen": {**_HASH, "description": "The hash of all that the model had seen."},
            "finish": _said(
                "stop, length, tool_calls, content_filter; incomplete or cancelled for one that broke off."
            ),
            "error": error,
            "in": {**count, "description": "Tokens of the prompt."},
            "out": {**count, "description": "Tokens of the reply."},
            "cached": {**count, "description": "Of the prompt's, read from a cache."},
            "reasoning": {**count, "description": "Of the reply's, spent on thinking."},
            "ms": _list_of(count, "Milliseconds to the first chunk and to the last."),
        }
    )
    call = {
        "type": "object",
        "minProperties": 1,
        "description": "`TOOL: {arguments}` and its result.",
        "properties": {
            "args_text": {"description": "The arguments as written, where they are no JSON object."},
            "returned": {"description": "The result; absent where no tool ran."},
            "failed": _said("The result says that the call failed.", "boolean"),
        },
        "additionalProperties": {"type": ["object", "null"], "description": "A tool, and its arguments."},
    }
    return _object(
        {
            "reply": facts,
            "text": {"type": ["string", "object"], "description": "The answer, or {$blob: …} for a long one."},
            "thinking": {"type": ["string", "object"], "description": "The model's reasoning."},
            "chunks": {"type": ["string", "integer"], "description": "Lengths of the streamed pieces: `4 1x3`."},
            "calls": _list_of(call, "The tool calls, in their order."),
        },
        ("reply",),
    )
