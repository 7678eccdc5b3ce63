"""The documentation is complete and true: every command, option, event, exit code and link."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click
import pytest

from runner.cli import COMMANDS, cli
from runner.commands.doctor.machine import EXTRAS
from runner.core import errors, events
from runner.transcripts.expectations import MODULES
from runner.transcripts.reports import FORMATS

ROOT = Path(__file__).parent.parent
CLI = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
TRANSCRIPTS = (ROOT / "docs" / "transcripts.md").read_text(encoding="utf-8")
ALL_DOCS = sorted((ROOT / "docs").glob("*.md"))
EVERYTHING = "\n".join(path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *ALL_DOCS])


def command(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented_and_tells_of_itself(name: str):
    assert f"`{name}" in CLI
    assert command(name).help, f"{name} has no help"
    assert command(name).name == name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_documented(name: str):
    for parameter in command(name).params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts} has no help"
            for option in parameter.opts + parameter.secondary_opts:
                assert f"`{option}" in EVERYTHING or f", {option}" in EVERYTHING, f"{name} {option} is not documented"


@pytest.mark.parametrize("name", [*MODULES, *FORMATS])
def test_every_expectation_and_report_is_documented(name: str):
    tables = [line for line in TRANSCRIPTS.splitlines() if line.startswith("| `")]
    assert any(f"`{name}`" in line for line in tables), name


def test_every_event_type_is_documented():
    source = Path(events.__file__).read_text(encoding="utf-8")
    types = set(re.findall(r'"type": "(\w+)"', source)) | {"session", "error"}
    for kind in types:
        assert f"| `{kind}` |" in CLI


def test_every_exit_code_is_documented():
    codes = {thing.exit_code for thing in vars(errors).values() if hasattr(thing, "exit_code")}
    for code in codes | {0, 1, 5, 70, 130}:
        assert f"| {code} |" in CLI


@pytest.mark.parametrize("path", [ROOT / "README.md", *ALL_DOCS], ids=lambda path: path.name)
def test_links_inside_the_docs_lead_somewhere(path: Path):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"


@pytest.mark.parametrize("path", [*ROOT.glob("*.md"), *ALL_DOCS], ids=lambda path: path.name)
def test_files_that_the_docs_name_are_there(path: Path):
    text = path.read_text(encoding="utf-8")
    for named in re.findall(r"`((?:runner|tests|docs|schemas|scripts|agents|examples|bench|\.ci)/[\w./-]*)`", text):
        assert path.name == "CHANGELOG.md" or (ROOT / named).exists(), f"{path.name} names {named}"


def test_the_readme_has_the_two_commands():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "pip install uv && uv run agent-run agents/elixir_helper.yaml" in readme
    assert "uv run pytest" in readme


def test_the_extras_are_those_of_all_and_of_the_doctor():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (everything,) = extras.pop("all")
    assert set(re.findall(r"\[(.*)\]", everything)[0].split(",")) == set(extras)
    assert {extra: re.split(r"[^\w-]", package)[0] for extra, (package,) in extras.items()} == EXTRAS


def test_every_room_is_in_the_architecture():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for room in (path for path in (ROOT / "runner").iterdir() if (path / "__init__.py").exists()):
        assert f"| `{room.name}/` |" in text
    for named in re.findall(r"`((?:core|gateways|tools|config|engine|transcripts|cli|tests)/[\w/.]+)`", text):
        assert (ROOT / named).exists() or (ROOT / "runner" / named).exists(), named
