"""Writes into pyproject.toml the version of every package that the project and its build resolve to today.

`uv run scripts/pin.py` resolves anew, for every Python and system that the project supports, and replaces the two
lists between the marked lines. The lists name no host. Run it on purpose, then the tests, and commit the result.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
BEGIN = "# Written by scripts/pin.py: what the tests are run with; users of the wheel get the bounds above."
END = "# End of what scripts/pin.py writes."
BLOCK = re.compile(f"{re.escape(BEGIN)}\n.*?{re.escape(END)}\n", re.DOTALL)
PLATFORMS = ("manylinux", "macosx", "win_amd64")


def uv(folder: Path, *arguments: str, text: str | None = None) -> str:
    command = ["uv", "--quiet", "--no-progress", *arguments]
    return subprocess.run(command, cwd=folder, input=text, stdout=subprocess.PIPE, text=True, check=True).stdout


def pins(exported: str) -> list[str]:
    """Sorted `name==version`; with the marker only where a package has several versions."""
    found: dict[str, list[tuple[str, str]]] = {}
    for line in exported.splitlines():
        if match := re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)\s*(?:;\s*(.*\S))?", line):
            found.setdefault(match[1], []).append((match[2], match[3] or ""))
    return [
        f"{name}=={version}" + (f" ; {marker}" if len(versions) > 1 and marker else "")
        for name, versions in sorted(found.items())
        for version, marker in versions
    ]


def array(name: str, requirements: list[str]) -> str:
    return "\n".join([f"{name} = [", *(f"    {toml_string(each)}," for each in requirements), "]\n"])


def toml_string(text: str) -> str:
    return f"'{text}'" if '"' in text else f'"{text}"'


def without_wheels(lock: str) -> list[str]:
    """The packages that some platform has to build, or cannot have, with the platforms."""
    found = []
    for package in tomllib.loads(lock)["package"]:
        files = [each.get("filename") or each["url"].rpartition("/")[2] for each in package.get("wheels", ())]
        if "virtual" in package["source"] or "editable" in package["source"]:
            continue
        lacking = [each for each in PLATFORMS if not any(each in file or "-any." in file for file in files)]
        if lacking:
            found.append(f"{package['name']}=={package['version']}: no wheel for {', '.join(lacking)}")
    return found


def main() -> None:
    file = ROOT / "pyproject.toml"
    text = BLOCK.sub("", file.read_text("utf-8"))
    build = tomllib.loads(text)["build-system"]["requires"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pyproject.toml").write_text(text, "utf-8")
        for each in ("README.md", "LICENSE", "runner/__init__.py"):
            (folder / each).parent.mkdir(exist_ok=True)
            (folder / each).write_bytes((ROOT / each).read_bytes())
        uv(folder, "lock", "--upgrade")
        exported = uv(folder, "export", "--no-hashes", "--no-emit-project", "--all-groups", "--all-extras", "--frozen")
        # hatchling asks for `editables` by itself, for an editable install
        wanted = "\n".join([*build, "editables"])
        built = uv(folder, "pip", "compile", "--universal", "--no-annotate", "--no-header", "-", text=wanted)
        missing = without_wheels((folder / "uv.lock").read_text("utf-8"))
    block = "".join(
        (
            f"{BEGIN}\n[tool.uv]\n",
            array("constraint-dependencies", pins(exported)),
            array("build-constraint-dependencies", pins(built)),
            f"{END}\n",
        )
    )
    head, _, tail = text.partition("[[tool.uv.dependency-metadata]]")
    start = head.rindex("\n\n") + 2  # before the comment of that table
    file.write_text(f"{head[:start]}{block}\n{head[start:]}[[tool.uv.dependency-metadata]]{tail}", "utf-8")
    print(*missing, sep="\n", file=sys.stderr)


if __name__ == "__main__":
    main()
