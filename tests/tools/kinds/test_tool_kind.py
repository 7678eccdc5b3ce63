"""The record of each kind of tool: filled in truthfully, and with its row all that a new kind needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from runner.config.validation.schema import schema
from runner.tools import ToolEntry, ToolSettings, open_toolbox
from runner.tools.catalogue import BUILTIN, KINDS, tool_kind, tool_kind_of
from runner.tools.protocols import ToolSource
from runner.tools.tool_kind import ToolKind

ROOT = Path(__file__).parents[3]
ENTRIES: dict[str, dict[str, Any]] = {
    "files": {"root": "."},
    "python": {"function": "./own.py:double"},
    "command": {"name": "say", "description": "Says.", "run": ["./say.sh", "{text}"], "parameters": {"text": {}}},
    "http": {"name": "get", "description": "Gets.", "url": "https://example.org/"},
    "openapi": {"spec": "things.json"},
    "mcp": {"name": "it", "command": ["./serve.sh"]},
    "agent": {"file": "./inner.yaml"},
}
every_kind = pytest.mark.parametrize("name", ENTRIES)


def entry(name: str, base: Path, **more: Any) -> ToolEntry:
    options = {**ENTRIES[name], **more}
    return ToolEntry(name, tool_kind(name).entry_name(options), options, "agent.yaml:3", base)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own.py").write_text("def double(number: int) -> int:\n    return number * 2\n")
    (tmp_path / "things.json").write_text('{"openapi": "3.1.0", "servers": [{"url": "https://a.org"}], "paths": {}}')
    for name in ("say.sh", "serve.sh", "inner.yaml"):
        (tmp_path / name).write_text("")
    return tmp_path


def test_every_row_of_the_catalogue_is_tried_here():
    assert list(ENTRIES) == list(KINDS)
    assert [tool_kind(name).name for name in (*KINDS, BUILTIN)] == [*KINDS, BUILTIN]


@every_kind
def test_its_schema_takes_the_entry_and_names_each_option_it_speaks_of(name: str):
    kind = tool_kind(name)
    whole = {"$defs": schema("agent")["$defs"], **kind.schema}
    jsonschema.Draft202012Validator(whole).validate(ENTRIES[name])
    mapping = kind.schema["anyOf"][-1] if kind.shorthand else kind.schema
    assert kind.env_fields <= mapping["properties"].keys()
    assert ("required" in mapping["properties"]) == kind.served
    if kind.shorthand:
        jsonschema.Draft202012Validator(whole).validate(ENTRIES[name][kind.shorthand])


@every_kind
def test_what_it_reads_and_runs_is_named_without_opening_it(name: str, folder: Path):
    kind, sound = tool_kind(name), entry(name, folder)
    texts = {"python": ("own.py", folder / "own.py")}
    assert list(kind.check(sound, lambda option: (texts[name][1], texts[name][1].read_text()))) == []
    assert all((folder / path).exists() for path, _ in kind.paths(sound).values())
    named = [*kind.files(sound), *(str(path) for path in kind.agent_files(sound))]
    assert bool([text for text in named if (folder / text).is_file()]) == (name not in ("files", "http"))
    program = {"command": "./say.sh", "mcp": "./serve.sh"}.get(name)
    assert [*kind.program(sound)][:1] == ([program] if program else [])


@every_kind
def test_consent_is_asked_for_all_but_what_stays_in_the_folder_or_in_another_agent(name: str, folder: Path):
    capabilities = list(tool_kind(name).capabilities(entry(name, folder), dict, folder))
    assert bool(capabilities) == (name not in ("files", "agent"))
    assert {capability.where for capability in capabilities} <= {"agent.yaml:3"}


@every_kind
def test_the_names_of_its_tools_are_those_that_opening_it_gives(name: str, folder: Path):
    kind, sound = tool_kind(name), entry(name, folder)
    if kind.served:
        assert kind.prefix(sound) == "it__"
        return
    with_tools = open_toolbox([sound])
    prefix = kind.prefix(sound)
    for spec in with_tools.specs:
        assert spec.name.startswith(prefix) if prefix is not None else spec.name == sound.name
    assert all(not isinstance(tool, ToolSource) for tool in kind.open(sound, ToolSettings()))


@every_kind
def test_what_is_inert_runs_and_imports_nothing_when_it_is_opened(name: str, folder: Path):
    kind = tool_kind(name)
    assert not (kind.opens_safely(entry(name, folder)) and (kind.imports or kind.served))
    if kind.opens_safely(entry(name, folder)):
        for file in ("own.py", "say.sh", "serve.sh"):
            (folder / file).unlink()
        assert open_toolbox([entry(name, folder)])


def test_a_kind_of_which_nothing_is_said_is_taken_for_the_worst():
    bare = ToolKind(name="x", summary="", schema={}, open=lambda entry, settings: (), capabilities=lambda *_: ())
    assert (bare.effects, bare.shipped, bare.opens_safely(ToolEntry("x", "x"))) == ("exec", False, False)
    assert {field.name for field in fields(ToolKind)} >= {"name", "schema", "open", "capabilities"}


def test_a_built_in_is_inert_and_what_a_package_offers_is_not():
    kind = tool_kind_of(ToolEntry(BUILTIN, "tasks"))
    assert kind.opens_safely(ToolEntry(BUILTIN, "tasks"))
    assert not kind.opens_safely(ToolEntry(BUILTIN, "of_a_package"))
    assert list(kind.capabilities(ToolEntry(BUILTIN, "tasks"), dict, Path())) == []
    assert [c.action for c in kind.capabilities(ToolEntry(BUILTIN, "of_a_package"), dict, Path())] == ["import"]


ECHO = '''
"""`echo:`, a text that is given back."""

from __future__ import annotations

from runner.core.capability import Capability
from runner.core.messages import ToolSpec
from runner.tools.entry_schema import options_schema, shared, text
from runner.tools.parameters import schema_of
from runner.tools.tool_kind import EntryProblem, ToolKind


class EchoTool:
    kind = "echo"

    def __init__(self, name, words):
        self.spec = ToolSpec(name, "Echoes.", schema_of({}), "none")
        self.words = words

    def run(self, arguments, context):
        return self.words


def _check(entry, text_of):
    if entry.options["words"].isupper():
        yield EntryProblem(("words",), "do not shout", "write small letters")


KIND = ToolKind(
    name="echo",
    summary="A text that is given back.",
    schema=options_schema("A text.", {"words": text("The text."), "name": shared("tool_name")}, ("words",)),
    open=lambda entry, settings: (EchoTool(entry.name, entry.options["words"]),),
    env_fields=frozenset({"words"}),
    check=_check,
    capabilities=lambda entry, raw, folder: (Capability("run", f"echo {entry.options['words']}", entry.where),),
    files=lambda entry: ("words.txt",),
    effects="none",
)
'''
AGENT = """
gateway: scripted
model: m
tools: [echo: {words: "${env:WORDS:-well}"}]
script: [calls: [echo: {}], text: done]
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the program with one kind more: a file, and a row; the schema's file is written anew."""
    copy = tmp_path / "copy"
    for name in ("runner", "schemas", "scripts"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "runner" / "tools" / "kinds" / "echo.py").write_text(ECHO)
    catalogue = copy / "runner" / "tools" / "catalogue.py"
    row = '    "echo": "runner.tools.kinds.echo:KIND",\n'
    catalogue.write_text(catalogue.read_text().replace('    "agent": "runner', row + '    "agent": "runner', 1))
    done = program(copy, "scripts/write_schemas.py")
    assert done.returncode == 0, done.stderr
    return copy


def program(tree: Path, *argv: str, **environ: str) -> subprocess.CompletedProcess[str]:
    home = {f"AGENT_RUN_{name}_HOME": str(tree / name) for name in ("CONFIG", "STATE", "CACHE")}
    environment = {**os.environ, **home, "PYTHONPATH": str(tree), "PYTHONUTF8": "1", **environ}
    return subprocess.run(
        [sys.executable, "-P", *argv], env=environment, cwd=tree, capture_output=True, text=True, timeout=120
    )


def test_a_new_kind_is_one_file_and_one_row(tree: Path):
    def run(*argv: str, **environ: str) -> str:
        done = program(tree, "-m", "runner", *argv, **environ)
        return f"{done.returncode} {done.stdout}{done.stderr}"

    (tree / "a.yaml").write_text(AGENT)
    (tree / "words.txt").write_text("one")
    assert run("check", "a.yaml").startswith("0 ")
    shouted = run("check", "a.yaml", WORDS="LOUD")
    assert shouted.startswith("2 ") and "tools[0].echo.words: do not shout" in shouted
    assert "unknown option" in run("show", "a.yaml", "--set", "tools=[{echo: {wrods: x}}]")
    assert '"kind": "echo"' in run("show", "a.yaml", "--format", "json")
    untrusted = run("a.yaml", "-m", "go")
    assert untrusted.startswith("6 ") and "echo well" in untrusted
    assert "run      echo well" in run("trust", "a.yaml", "--yes")
    assert run("a.yaml", "-m", "go", "--record", "t.yaml").startswith("0 done")
    assert "1 pass" in run("replay", "t.yaml")
    (tree / "words.txt").write_text("another")
    assert "words.txt has changed" in run("a.yaml", "-m", "go")
