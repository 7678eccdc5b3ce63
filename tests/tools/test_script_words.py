"""Placeholders in the code of a command line: told of wherever the code is, and nowhere else."""

from __future__ import annotations

import shlex

import pytest

from runner.tools.entry import ToolEntry
from runner.tools.kinds.command import KIND

CODE = [
    "sh -c 'grep {x} notes'",
    "bash -lc 'grep {x} notes'",
    "/bin/zsh -e -c {x}",
    "dash -c 'echo {x}' sh a",
    "env A=b sh -c 'echo {x}'",
    "sudo nice -n 5 timeout 3 bash -c 'echo {x}'",
    "python -c 'print({x})'",
    "python3 '-cprint({x})'",
    "perl -ne 'print {x}' file",
    "ruby -e 'puts {x}'",
    "node --eval={x}",
    "node -e {x}",
    "php -r 'echo {x};'",
    "powershell -NoProfile -Command Get-Item {x}",
    "cmd /c dir {x}",
    "ssh HOST ls {x}",
    "xargs -n 1 sh -c 'echo {x}'",
    "find . -name a -exec sh -c 'echo {x}' ;",
    "awk '/{x}/' file",
    "sed -e s/{x}/b/e file",
    "sed s/{x}/b/ file",
    "eval echo {x}",
]
HARMLESS = [
    "sh -c 'echo \"$1\"' sh {x}",
    "bash script.sh -c {x}",
    "python tool.py -c {x}",
    "env A=b grep -e {x} file",
    "git log -c {x}",
    "grep -e {x} file",
    "awk -v x={x} -f program.awk file",
    "awk '{print}' {x}",
    "sed s/a/b/ {x}",
    "find . -name {x}",
    "ssh HOST uptime -p",
    "echo sh -c {x}",
    "perl script.pl -e {x}",
]


def problems(line: str, **parameter: object) -> list[str]:
    run = shlex.split(line)
    parameters = {"x": parameter or {"type": "string"}} if "{x}" in line else {}
    entry = ToolEntry("command", "it", {"run": run, "parameters": parameters})
    return [each.message for each in KIND.check(entry, lambda option: None) if each.severity == "warning"]


@pytest.mark.parametrize("line", CODE)
def test_t6_a_placeholder_in_code_is_told(line: str) -> None:
    assert problems(line) == ["what {x} brings is run as code"]
    assert problems(line, type="integer") == []
    assert problems(line, enum=["a", "b"]) == []


@pytest.mark.parametrize("line", HARMLESS)
def test_a_placeholder_that_is_handed_over_is_not(line: str) -> None:
    assert problems(line) == []
