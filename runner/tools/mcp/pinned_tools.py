"""Pinned tools of MCP servers: as they were at first use, so that a silent change is noticed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.core.dirs import state_folder
from runner.core.files import read_bounded, write_private
from runner.core.messages import ToolSpec
from runner.core.secrets import redact_known
from runner.tools.mcp.server_config import McpServer
from runner.tools.tool_names import changed_lines

_LONGEST_DIFF = 20
_MAX_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class PinnedToolChange:
    """A tool that is not as it was pinned; `diff` shows how."""

    tool: str
    diff: str


def pinned_file(server: McpServer) -> Path:
    """Where the pins of a server are kept: one file for each name and command or url."""
    key = hashlib.sha256(server.identity.encode()).hexdigest()
    return state_folder() / "mcp-pins" / f"{key[:32]}.json"


def changed_tools(server: McpServer, specs: Sequence[ToolSpec]) -> tuple[PinnedToolChange, ...]:
    """The tools that are new or differ from the pins. The first listing of a server is pinned as it stands.

    Raises OSError where it cannot be.
    """
    file = pinned_file(server)
    pinned = _read(file)
    if pinned is None:
        pins = {"server": server.name, "address": server.address, "tools": {spec.name: _pin(spec) for spec in specs}}
        write_private(file, json.dumps(pins, indent=1))
        return ()
    return tuple(
        PinnedToolChange(spec.name, _diff(pinned.get(spec.name), _pin(spec)))
        for spec in specs
        if pinned.get(spec.name) != _pin(spec)
    )


def unpin(server: McpServer) -> None:
    """Drop the pins of a server: its next listing is pinned as it stands then."""
    pinned_file(server).unlink(missing_ok=True)


def _pin(spec: ToolSpec) -> dict[str, Any]:
    """What is kept of a tool: its texts without known secrets, and where there were any a hash of all of it."""
    text = json.dumps({"description": spec.description, "parameters": spec.parameters})
    shown = redact_known(text, os.environ)
    whole = {} if shown == text else {"hash": hashlib.sha256(text.encode()).hexdigest()}
    return {**json.loads(shown), **whole}


def _diff(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> str:
    if old is None:
        return "new since the server was first used"
    diff = "\n".join(changed_lines(_lines(old), _lines(new), _LONGEST_DIFF))
    return diff or "what has changed looks like a secret, and is not shown"


def _lines(pin: Mapping[str, Any]) -> list[str]:
    return [*str(pin["description"]).splitlines(), *json.dumps(pin["parameters"], indent=1).splitlines()]


def _read(file: Path) -> dict[str, Any] | None:
    """None where nothing is pinned; a damaged file pins nothing that exists, so that every tool counts as changed."""
    try:
        found = json.loads(read_bounded(file, _MAX_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        return {}
    tools = found.get("tools") if isinstance(found, dict) else None
    return tools if isinstance(tools, dict) else {}
