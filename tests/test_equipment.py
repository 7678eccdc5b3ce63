"""What the tests themselves rely on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FAILING = """
import warnings
import pytest

def test_compared(): assert "a\\ud800" == "b\\udc00\\n"
def test_raised(): raise ValueError("\\ud800")
def test_printed(): print("\\ud800"); assert False
def test_warned(): warnings.warn("\\ud800")
def test_property(record_property): record_property("\\ud800", "\\udfff")
@pytest.mark.parametrize("text", ["\\ud800"])
def test_named(text): assert not text, text
"""


@pytest.mark.slow
def test_a_lone_surrogate_does_not_end_the_run(tmp_path: Path):
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    shutil.copy(Path(__file__).parent / "conftest.py", tmp_path)
    (tmp_path / "test_failing.py").write_text(FAILING)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "1", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert "4 failed, 2 passed, 1 warning" in ran.stdout, ran.stdout + ran.stderr
