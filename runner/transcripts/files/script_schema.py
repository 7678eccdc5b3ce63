"""The JSON Schema of a script and of a suite: turns, expectations and defaults."""

from __future__ import annotations

from typing import Any, get_args

from runner.transcripts.expectations import expectation_kinds
from runner.transcripts.files.schema_parts import EXPECT, NAME, SHARED, array_of, closed_object, described
from runner.transcripts.model import FORMAT_VERSION, FailureLevel, When


def script_schema() -> dict[str, Any]:
    """A transcript's first document."""
    return closed_object(
        {
            "transcript": {"const": FORMAT_VERSION, "description": "The version of this format."},
            "agent": described("The agent file, relative to this one.", minLength=1),
            "about": described("What the conversation shows."),
            "tags": array_of(NAME, "For --only tag:…"),
            **SHARED,
            "keep_going": described("Go on after a turn that fails.", "boolean", default=False),
            "turns": {
                "type": "array",
                "minItems": 1,
                "items": {"$ref": "#/$defs/turn"},
                "description": "What the user says, and what must hold of what follows.",
            },
            "finally": array_of({"$ref": "#/$defs/expectation"}, "What must hold of the whole conversation."),
        },
        ("transcript", "agent", "turns"),
    )


def suite_schema() -> dict[str, Any]:
    """`_suite.yaml`."""
    return closed_object(
        {
            "suite": {"const": FORMAT_VERSION, "description": "The version of this format."},
            **SHARED,
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
    description = "What the user says; `{{ … }}` takes variables and captured groups."
    files = array_of(NAME, "Images that go with it, relative to this file.")
    schema = closed_object({"text": described(description, minLength=1), "files": files}, required=("text",))
    return schema | {"type": ["string", "object"], "minLength": 1, "description": description}


def turn_schema() -> dict[str, Any]:
    """One turn of a script, or of a suite's partial."""
    answers = closed_object(
        {
            "ask_user": array_of({"type": "string"}, "The answers to ask_user, in order."),
            "approve": array_of(NAME, "The tools that may run."),
        },
        description="What the user answers in between; an unanswered question fails the turn.",
    )
    return closed_object(
        {
            "include": described("A partial of _suite.yaml, in place of this turn.", minLength=1),
            "id": described("The turn's name in recordings and reports.", pattern=r"^[^\s/]+$"),
            "user": _user(),
            "answers": answers,
            "keep_going": described("Go on after this turn fails.", "boolean", default=False),
            "expect": EXPECT,
        }
    )


def expectation_schema() -> dict[str, Any]:
    """One expectation, with the fragment of every kind."""
    kinds = {key: dict(kind.schema) for key, kind in expectation_kinds().items()}
    return closed_object(
        {
            **kinds,
            "not": closed_object(kinds, minProperties=1, description="The expectation must not hold."),
            "when": {"enum": list(get_args(When)), "default": "both", "description": "Where it is judged."},
            "severity": {
                "enum": list(get_args(FailureLevel)),
                "default": "error",
                "description": "warn: told, never failing.",
            },
            "normalize": SHARED["normalize"],
        },
        minProperties=1,
    )
