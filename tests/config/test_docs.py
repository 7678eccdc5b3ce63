"""The documents name every key, filter and error code that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runner.config.loader import load_agent
from runner.config.template import sandbox
from runner.config.validation.schema import schema
from runner.core import errors

ROOT = Path(__file__).parents[2]
AGENT_FILE = (ROOT / "docs" / "agent-file.md").read_text("utf-8")
FILES = {"tools.py": "def lookup(): ...", "api.json": "{}", "reviewer.yaml": "gateway: local\nmodel: m\n"}
ERRORS = (ROOT / "docs" / "errors.md").read_text("utf-8")


def test_every_key_of_an_agent_file_is_told():
    agent = schema("agent")
    keys = [*agent["properties"], *agent["$defs"]["options"]["properties"], *agent["$defs"]["user"]["properties"]]
    keys += [
        key for part in ("limits", "timeouts", "retry", "context") for key in agent["properties"][part]["properties"]
    ]
    assert [key for key in keys if not re.search(rf"`[^`\n]*\b{key}\b|^{key}:", AGENT_FILE, re.MULTILINE)] == []


def test_every_filter_is_told():
    known = {*sandbox._FILTERS.split(), "indent", "join", "replace", "round", "string", "tojson"} - {"d"}
    told = re.search(r"Filters: `([^`]+)`", AGENT_FILE)
    assert told is not None
    assert set(told[1].split()) == known


def test_every_error_code_is_told():
    codes = {each.code for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)}
    assert [code for code in codes - {"AR-ERROR", "GW-ERROR"} if f"`{code}`" not in ERRORS] == []


@pytest.mark.parametrize("example", re.findall(r"```yaml\n(.*?)```", AGENT_FILE, re.DOTALL))
def test_the_examples_are_valid(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    if "default: {gateway" in example:
        monkeypatch.setenv("AGENT_RUN_CONFIG_HOME", str(tmp_path))
        (tmp_path / "config.yaml").write_text(example.replace("{…}", "{}"), "utf-8")
        example = ""
    for name in ("tools.py", "api.json", "reviewer.yaml"):
        (tmp_path / name).write_text(
            {"tools.py": "def lookup(): ...", "api.json": "{}"}.get(name, "gateway: local\nmodel: m\n")
        )
    (tmp_path / "notes").mkdir()
    text = example if "gateway:" in example or not example else f"gateway: ollama\nmodel: m\n{example}"
    if "examples: {type: integer}" in example:
        text = text.replace("{{ subject }}", "{{ subject }} {{ level }} {{ examples }}")
    (tmp_path / "a.yaml").write_text(text or "prompt: '> '\n", "utf-8")
    load_agent(tmp_path / "a.yaml")
