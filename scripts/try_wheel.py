"""Builds the wheel and tries it as users get it: in an environment of its own, outside the repository.

`python scripts/try_wheel.py --resolution lowest-direct` takes the lowest version that each bound allows.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--python", default=f"{sys.version_info[0]}.{sys.version_info[1]}")
    options.add_argument("--resolution", default="highest", choices=("highest", "lowest-direct"))
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dist, home = folder / "dist", folder / "elsewhere"
        home.mkdir()
        run(ROOT, "uv", "build", "--quiet", "--wheel", "--out-dir", dist)
        (wheel,) = dist.glob("*.whl")
        run(home, "uv", "venv", "--quiet", "--python", chosen.python, "env")
        python = home / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        # The bounds count as direct ones only where they are named themselves.
        (home / "bounds.txt").write_text("\n".join([f"agent-run @ {wheel.as_uri()}", *bounds()]), "utf-8")
        install = ("uv", "pip", "install", "--quiet", "--python", python, "--resolution", chosen.resolution)
        run(home, *install, "-r", "bounds.txt")
        for each in ("agents", "examples", "schemas"):
            shutil.copytree(ROOT / each, home / each)
        for arguments in (["--version"], ["check", "agents", "examples"], ["replay", "examples"], ["doctor"]):
            run(home, python, "-m", "runner", *arguments)
        run(home, python, "-m", "runner", "agents/demo.yaml", "-m", "What day of the week is July 4th, 2025?")


def bounds() -> list[str]:
    """Everything that the wheel asks for, its extras included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = [each for extra in project["optional-dependencies"].values() for each in extra]
    return [*project["dependencies"], *(each for each in extras if not re.match(r"agent-run\b", each))]


def run(folder: Path, *command: str | Path) -> None:
    print("$", *command, flush=True)
    subprocess.run([str(each) for each in command], cwd=folder, check=True)


if __name__ == "__main__":
    main()
