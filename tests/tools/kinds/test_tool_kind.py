"""The record of each kind of tool: filled in truthfully."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from runner.config.validation.schema import schema
from runner.tools import ToolEntry, ToolSettings, open_toolbox
from runner.tools.catalogue import BUILTIN, KINDS, tool_kind, tool_kind_of
from runner.tools.protocols import ToolSource
from runner.tools.tool_kind import ToolKind
from tool_entries import ENTRIES

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
    named = [*(file.path for file in kind.files(sound)), *kind.agent_files(sound)]
    assert bool([path for path in named if path.is_file()]) == (name not in ("files", "http"))
    program = {"command": "./say.sh", "mcp": "./serve.sh"}.get(name)
    assert [*kind.program(sound)][:1] == ([program] if program else [])


@every_kind
def test_consent_is_asked_for_all_but_what_stays_in_the_folder_or_in_another_agent(name: str, folder: Path):
    capabilities = list(tool_kind(name).capabilities(entry(name, folder), folder))
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
    assert not (kind.opens_safely(entry(name, folder)) and (kind.imports(entry(name, folder)) or kind.served))
    if kind.opens_safely(entry(name, folder)):
        for file in ("own.py", "say.sh", "serve.sh"):
            (folder / file).unlink()
        assert open_toolbox([entry(name, folder)])


def test_a_kind_of_which_nothing_is_said_is_taken_for_the_worst():
    bare = ToolKind(name="x", summary="", schema={}, open=lambda entry, settings: (), capabilities=lambda *_: ())
    one = ToolEntry("x", "x")
    assert (bare.effects, bare.built_in(one), bare.opens_safely(one)) == ("exec", False, False)
    assert set(ToolKind._fields) >= {"name", "schema", "open", "capabilities"}


def test_a_built_in_is_inert_and_what_a_package_offers_is_not():
    kind = tool_kind_of(ToolEntry(BUILTIN, "tasks"))
    assert kind.opens_safely(ToolEntry(BUILTIN, "tasks"))
    assert kind.built_in(ToolEntry(BUILTIN, "tasks"))
    offered = ToolEntry(BUILTIN, "of_a_package")
    assert (kind.opens_safely(offered), kind.built_in(offered), kind.imports(offered)) == (False, False, True)
    assert list(kind.capabilities(ToolEntry(BUILTIN, "tasks"), Path())) == []
    assert [c.action for c in kind.capabilities(ToolEntry(BUILTIN, "of_a_package"), Path())] == ["import"]
