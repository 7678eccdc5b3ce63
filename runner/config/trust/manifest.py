"""The manifest: what consent covers, which is all that an agent can do, and each file that it runs, with its hash."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from runner.config.agent import Agent
from runner.config.paths import path_kind
from runner.config.trust.capabilities import CapabilitySet
from runner.core.files import read_text_bounded
from runner.tools.catalogue import tool_kind_of
from runner.tools.trusted_files import file_hash

_MAX_TEXT = 64 * 2**10


@dataclass(frozen=True)
class Manifest:
    """`files` are the names of what is run, relative to the agent's folder, and the hash of each; `capabilities` what
    it can do, as it is shown; `declarations` how the files declare that.

    The words for the model (prompts, descriptions) are not in it, and neither are options and limits.
    """

    folder: Path
    files: Mapping[str, str]
    capabilities: tuple[str, ...]
    declarations: Mapping[str, str]

    @cached_property
    def hash(self) -> str:
        """The same on every machine for the same contents and the same capabilities."""
        return _hash(sorted(self.files.items()), sorted(self.capabilities), sorted(self.declarations.items()))

    @cached_property
    def texts(self) -> Mapping[str, str]:
        """What stands in the files, for showing later what has changed in them; not of those too long to show."""
        texts = {name: _text(self.folder / name) for name in self.files}
        return {name: text for name, text in texts.items() if text is not None}

    def hashes(self) -> Mapping[Path, str]:
        """The hash of each file by its real path."""
        return {(self.folder / name).resolve(): digest for name, digest in self.files.items()}


def build_manifest(capabilities: CapabilitySet) -> Manifest:
    """What the agent and those that are its tools can do, and the files that they run.

    Followed are the files that they name, and those that a script loads by name from beside itself.
    """
    root = capabilities.agents[0].path.resolve().parent
    files = {path for agent in capabilities.agents for path in _files(agent)}
    digests = {Path(os.path.relpath(path, root)).as_posix(): file_hash(path) for path in files}
    return Manifest(root, dict(sorted(digests.items())), _shown(capabilities), capabilities.declarations)


def capability_hash(capabilities: CapabilitySet) -> str:
    """The hash of what an agent can do, whatever the files contain that it runs."""
    return _hash(sorted(_shown(capabilities)), sorted(capabilities.declarations.items()))


def _shown(capabilities: CapabilitySet) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(capability) for capability in capabilities))


def _hash(*parts: object) -> str:
    return sha256(json.dumps(parts).encode()).hexdigest()


def _files(agent: Agent) -> Iterator[Path]:
    for model in (agent.model, *(route.model for route in agent.fallback)):
        if model.endswith(".gguf") and path_kind(Path(model)) == "file":
            yield Path(model).resolve()
    for entry in agent.tools:
        for path, _ in tool_kind_of(entry).files(entry):
            if path_kind(path) == "file":
                yield path


def _text(path: Path) -> str | None:
    try:
        return read_text_bounded(path, _MAX_TEXT)
    except (OSError, ValueError):
        return None
