"""Writes schemas/agent.schema.json and schemas/transcript.schema.json anew from what the code declares.

`uv run scripts/write_schemas.py`, after a kind of tool, a dialect or an expectation was added or changed.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from runner.config.validation.agent_schema import agent_schema_text  # noqa: E402
from runner.transcripts.files.schema import transcript_schema_text  # noqa: E402

for name, text in (("agent", agent_schema_text()), ("transcript", transcript_schema_text())):
    (ROOT / "schemas" / f"{name}.schema.json").write_text(text, encoding="utf-8")
