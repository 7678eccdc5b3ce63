"""The commands of README.md do what it says: each is run here, or is named below with the reason why not."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path

import pytest

import warm_process

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
NOT_RUN = {
    "pip install uv && uv run agent-run agents/elixir_helper.yaml": "installs; the same chat is run below",
    "uv run pytest": "is what runs this",
    'uv run pytest -m "slow or not slow"': "is what runs this",
}


def commands() -> list[str]:
    """Every line of the `sh` blocks, without its comment."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    lines = [re.sub(r"\s{2,}#.*", "", line).strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def test_what_is_not_run_is_in_the_readme():
    assert set(NOT_RUN) <= set(commands())


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What the commands read and write, without what this machine has set up."""
    for folder in ("agents", "examples", "schemas"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


@pytest.mark.parametrize("command", [line for line in commands() if line not in NOT_RUN])
def test_a_command_of_the_readme_runs(copy: Path, command: str):
    given, _, call = command.rpartition(" | ")
    program, *arguments = shlex.split(call)
    assert program == "agent-run", f"{program} is run nowhere: name it in NOT_RUN, with the reason"
    assert not given or given == "git diff"
    own = {"AGENT_RUN_CONFIG_HOME": str(copy / "config"), "AGENT_RUN_STATE_HOME": str(copy / "state")}
    local = ("CI", "_API_KEY", "_HOST", "_BASE_URL")  # a build may not record, and no key of this machine is used
    kept = {name: value for name, value in os.environ.items() if not name.endswith(local)}
    if arguments[0].startswith("agents/") and "gateway: scripted" not in (ROOT / arguments[0]).read_text("utf-8"):
        arguments = ["show", *without(arguments, "-m", "--output")]  # all that the call says, but to no model
    ran = warm_process.run(*arguments, cwd=copy, environment=kept | own)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def without(arguments: list[str], *options: str) -> list[str]:
    """The arguments without these options and their values."""
    left = []
    for argument in (rest := iter(arguments)):
        if argument in options:
            next(rest)
        else:
            left.append(argument)
    return left
