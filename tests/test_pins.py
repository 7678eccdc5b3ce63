"""What is installed is what `scripts/pin.py` wrote, so that a release elsewhere does not change the tests."""

from __future__ import annotations

import os
import re
import runpy
import tomllib
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
OURS = {"agent-run", "pip", "setuptools", "wheel", "uv"}
"""What no resolution of the project brings: itself, and what a person puts into an environment to install with."""


def uv_settings() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["uv"]


def pinned() -> dict[str, set[str]]:
    versions: dict[str, set[str]] = {}
    for pin in uv_settings()["constraint-dependencies"]:
        name, _, version = pin.partition(" ;")[0].partition("==")
        versions.setdefault(name, set()).add(version)
    return versions


@pytest.mark.skipif("UNPINNED" in os.environ, reason="the environment says that it was resolved otherwise")
def test_what_is_installed_is_what_is_pinned():
    pins = pinned()
    installed = {
        re.sub("[-_.]+", "-", each.name).lower(): each.version for each in distributions() if each.name is not None
    }
    differing = {
        name: version for name, version in installed.items() if name not in OURS and version not in pins.get(name, ())
    }
    assert not differing, "run `uv sync`, or `uv run scripts/pin.py` after a change of the dependencies"


def test_every_requirement_and_the_build_are_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    required = [
        *project["project"]["dependencies"],
        *(each for extra in project["project"]["optional-dependencies"].values() for each in extra),
        *project["dependency-groups"]["dev"],
    ]
    names = {re.match(r"[\w.-]+", each)[0].lower() for each in required} - OURS  # type: ignore[index]
    assert names <= set(pinned())
    build = [each.partition("==")[0] for each in uv_settings()["build-constraint-dependencies"]]
    assert "hatchling" in build


def test_a_package_of_several_versions_keeps_its_markers():
    pins = runpy.run_path(str(ROOT / "scripts" / "pin.py"))["pins"]
    exported = "b==2 ; python_full_version >= '3.12'\nb==1 ; python_full_version < '3.12'\na==3 ; sys_platform == 'x'\n"
    assert pins(exported) == ["a==3", "b==2 ; python_full_version >= '3.12'", "b==1 ; python_full_version < '3.12'"]
