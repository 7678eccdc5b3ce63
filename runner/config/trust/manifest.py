"""The manifest: what consent covers, which is every file that decides what an agent does, each with its hash."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path

from runner.config.agent import Agent, PromptSource
from runner.config.paths import path_kind
from runner.config.text_file import MAX_BYTES
from runner.config.trust.capabilities import CapabilitySet
from runner.core.files import open_regular, read_bounded, read_text_bounded
from runner.tools.catalogue import tool_kind_of

_MAX_HASHED = 64 * 2**20
_MAX_TEXT = 64 * 2**10
_INCLUDE = re.compile(r"""\{%[-+]?\s*(?:include|import|from|extends)\s+["']([^"']+)["']""")


@dataclass(frozen=True, slots=True)
class Manifest:
    """File names, relative to the agent's folder, and the SHA-256 of each; and what all of them together can do."""

    folder: Path
    files: Mapping[str, str]
    capabilities: tuple[str, ...]

    @property
    def hash(self) -> str:
        """The same on every machine for the same contents and the same capabilities."""
        return sha256(json.dumps([sorted(self.files.items()), sorted(self.capabilities)]).encode()).hexdigest()

    def texts(self) -> dict[str, str]:
        """What stands in the files, for showing later what has changed in them; not of those too long to show."""
        texts = {name: _text(self.folder / name) for name in self.files}
        return {name: text for name, text in texts.items() if text is not None}


def build_manifest(capabilities: CapabilitySet) -> Manifest:
    """Everything that an agent is made of: its file and those it extends, templates, code, documents, other agents.

    Followed are the files that it names; not what the code in them goes on to load.
    """
    root = capabilities.agents[0].path.resolve().parent
    files = {path for agent in capabilities.agents for path in _files(agent)}
    digests = {Path(os.path.relpath(path, root)).as_posix(): _digest(path) for path in files}
    shown = tuple(str(capability) for capability in capabilities)
    return Manifest(root, dict(sorted(digests.items())), shown)


def _files(agent: Agent) -> Iterator[Path]:
    for path in (*agent.files, *_includes(agent.system_prompt)):
        yield path.resolve()
    for model in (agent.model, *(route.model for route in agent.fallback)):
        if model.endswith(".gguf") and path_kind(Path(model)) == "file":
            yield Path(model).resolve()
    for entry in agent.tools:
        for name in tool_kind_of(entry).files(entry):
            path = entry.folder / name
            beside = not Path(name).is_absolute() or path.is_relative_to(entry.folder.resolve())
            if beside and path_kind(path) == "file":  # an argument need not be a valid file name
                yield path.resolve()


def _includes(source: PromptSource) -> Iterator[Path]:
    """The files that a template includes, as far as their names are written out."""
    waiting, seen = [source.text], set()
    while waiting:
        for name in _INCLUDE.findall(waiting.pop()):
            path = source.root / name
            if path not in seen and path_kind(path) == "file":
                seen.add(path)
                yield path
                waiting.append(read_bounded(path, MAX_BYTES).decode("utf-8", "replace"))


def _digest(path: Path) -> str:
    try:
        status = path.stat()
        if status.st_size > _MAX_HASHED:  # a model's weights, say: hashing them would hold up every start
            return f"{status.st_size} bytes of {status.st_mtime_ns}"
        with open_regular(path) as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"unreadable: {error.strerror}"


def _text(path: Path) -> str | None:
    try:
        return read_text_bounded(path, _MAX_TEXT)
    except (OSError, ValueError):
        return None
