"""An entry of each kind of tool, as an agent file has it."""

from __future__ import annotations

from typing import Any

ENTRIES: dict[str, dict[str, Any]] = {
    "files": {"root": "."},
    "python": {"function": "./own.py:double"},
    "command": {"name": "say", "description": "Says.", "run": ["./say.sh", "{text}"], "parameters": {"text": {}}},
    "http": {"name": "get", "description": "Gets.", "url": "https://example.org/"},
    "openapi": {"spec": "things.json"},
    "mcp": {"name": "it", "command": ["./serve.sh"]},
    "agent": {"file": "./inner.yaml"},
}
