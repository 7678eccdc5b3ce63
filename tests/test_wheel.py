"""The wheel, as users get it: it carries the schemas and the licence, and runs without the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=60,
    )
    return next(folder.glob("*.whl"))


def test_it_holds_the_package_the_schemas_and_the_licence_alone(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "runner/schemas/agent.schema.json" in names
    assert "runner/schemas/transcript.schema.json" in names
    assert "runner/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"runner", "agent_run"}


def test_it_runs_without_the_checkout(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    agent = tmp_path / "a.yaml"
    agent.write_text("gateway: scripted\nmodel: m\nscript: [text: hello]\n")
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    for arguments, word in (
        (["schema", "agent"], '"$schema"'),
        (["schema", "transcript"], '"$schema"'),
        (["check", str(agent)], ""),
        ([str(agent), "-m", "hi"], "hello"),
    ):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "runner", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert word in done.stdout
    where = subprocess.run(
        [sys.executable, "-P", "-c", "import runner; print(runner.__file__)"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(tmp_path))
