"""The transcript's JSON Schema: one file for scripts, recordings and suites, assembled from their parts."""

from __future__ import annotations

import json
from typing import Any

from runner.transcripts.files.recording_schema import recorded_reply_schema, recording_schema
from runner.transcripts.files.script_schema import expectation_schema, script_schema, suite_schema, turn_schema


def transcript_schema() -> dict[str, Any]:
    """The schema of a transcript's documents and of `_suite.yaml`."""
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
            "script": script_schema(),
            "recording": recording_schema(),
            "suite": suite_schema(),
            "turn": turn_schema(),
            "expectation": expectation_schema(),
            "reply": recorded_reply_schema(),
        },
    }


def transcript_schema_text() -> str:
    """The schema as the file holds it."""
    return json.dumps(transcript_schema(), indent=2, ensure_ascii=False) + "\n"
