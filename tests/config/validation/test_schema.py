"""The schema is what the dataclasses are, and what two validators take it for."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from runner.config.agent import Agent, Fallback, Permissions, Reply, UserConfig, Variable
from runner.config.validation.agent_schema import agent_schema_text
from runner.config.validation.schema import schema, schema_text, schema_violations
from runner.config.yaml.document import dotted_path
from runner.config.yaml.parser import load_document
from runner.core.policy import ContextPolicy, Limits, Retry, Timeouts
from runner.gateways import DIALECTS, GatewayPreset
from runner.tools import BUILT_INS, KINDS

HERE = Path(__file__).parent.parent
AGENT = schema("agent")
DEFS = AGENT["$defs"]
PARTS = [
    (AGENT["properties"]["limits"], Limits),
    (AGENT["properties"]["timeouts"], Timeouts),
    (AGENT["properties"]["retry"], Retry),
    (AGENT["properties"]["context"], ContextPolicy),
    (AGENT["properties"]["reply"], Reply),
    (AGENT["properties"]["fallback"]["items"], Fallback),
    (DEFS["permissions"], Permissions),
    (DEFS["gateway"], GatewayPreset),
]
NOT_IN_THE_FILE = {"written_gateways", "path", "locations", "user", "secrets", "files"}
UNSET = (MISSING, None, (), {}, "")


def names(of: type) -> set[str]:
    return {each.name for each in fields(of)}


def default(of: Field[Any]) -> Any:
    return of.default if of.default_factory is MISSING else of.default_factory()


@pytest.mark.parametrize(("part", "dataclass"), PARTS, ids=lambda each: getattr(each, "__name__", ""))
def test_schema_and_dataclass_have_the_same_fields_and_defaults(part: dict[str, Any], dataclass: type):
    assert set(part["properties"]) == names(dataclass)
    assert set(part.get("required", ())) == {
        each.name for each in fields(dataclass) if each.default is MISSING and each.default_factory is MISSING
    }
    for each in fields(dataclass):
        written = part["properties"][each.name].get("default")
        known = default(each)
        if known in UNSET:
            assert written in (None, "auto", [], {}), each.name
        else:
            assert written == known, each.name


def test_the_agent_has_the_same_keys():
    assert set(AGENT["properties"]) - {"extends"} == names(Agent) - NOT_IN_THE_FILE
    variable = DEFS["variable"]["anyOf"][-1]
    assert set(variable["properties"]) == names(Variable) - {"name"}
    assert names(UserConfig) == {"path", "gateway", "model", "gateways", "permissions", "hosts"}
    assert set(DEFS["user"]["properties"]) == {"gateways", "permissions", "default", "hosts"}
    for key in ("prompt", "greeting", "tool_choice", "description"):
        known = next(default(each) for each in fields(Agent) if each.name == key)
        assert AGENT["properties"][key]["default"] == known


def test_every_kind_of_tool_is_known_to_both():
    branches = {key for branch in DEFS["tool"]["anyOf"] for key in branch.get("required", ())}
    assert branches - set(BUILT_INS) == set(KINDS)


def test_the_shipped_schema_is_the_assembled_one():
    assert schema_text("agent") == agent_schema_text(), "run scripts/write_schemas.py"


def test_the_dialects_of_servers_are_suggested():
    spoken = {name for name, dialect in DIALECTS.items() if dialect.over_http}
    assert set(DEFS["gateway"]["properties"]["dialect"]["examples"]) == spoken


def test_everything_is_described_and_closed():
    def visit(node: Any, path: tuple[str, ...]) -> None:
        if isinstance(node, dict):
            for key, each in node.get("properties", {}).items():
                assert "description" in each or "$ref" in each or "title" in each, (*path, key)
            if "properties" in node:
                assert node.get("additionalProperties") is False, path
            for key, each in node.items():
                if key not in ("default", "examples", "enum"):
                    visit(each, (*path, key))
        elif isinstance(node, list):
            for each in node:
                visit(each, path)

    visit(AGENT, ())


def test_the_schema_is_valid():
    jsonschema.Draft202012Validator.check_schema(AGENT)
    assert schema_text("agent").endswith("}\n")


@pytest.mark.parametrize("path", sorted((HERE / "good").glob("*.yaml")), ids=lambda path: path.stem)
def test_editors_agree_on_good_files(path: Path):
    value = load_document(path).value
    if "extends" not in value:
        assert list(jsonschema.Draft202012Validator(AGENT).iter_errors(value)) == []
        assert schema_violations(value, "agent") == []


@pytest.mark.parametrize(
    "name", ["unknown-key", "wrong-types", "bounds", "tool-options", "script-entries", "two-kinds", "misspelt-kind"]
)
def test_editors_agree_on_bad_files(name: str):
    value = load_document(HERE / "bad" / f"{name}.yaml").value
    assert list(jsonschema.Draft202012Validator(AGENT).iter_errors(value))
    assert schema_violations(value, "agent")


def test_paths_read_as_people_write_them():
    assert dotted_path(("tools", 0, "files", "root")) == "tools[0].files.root"
    assert dotted_path(()) == ""
