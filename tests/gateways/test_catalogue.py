"""The catalogue: each preset makes a gateway, and is documented with its key and its quirks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runner.core.errors import UsageError
from runner.gateways import CATALOGUE, DIALECTS, Gateway, GatewayPreset, connect, dialect_class

DOCS = (Path(__file__).parents[2] / "docs" / "gateways.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_row_makes_a_gateway(name: str):
    gateway = connect(name)
    assert isinstance(gateway, Gateway)
    assert gateway.name == name
    gateway.close()


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_row_is_documented(name: str):
    preset = CATALOGUE[name]
    [line] = re.findall(rf"^\| `{name}` \|.*$", DOCS, re.MULTILINE)
    assert f"`{preset.dialect}`" in line
    for variable in filter(None, (preset.key_from, preset.url_from, *re.findall(r"\{env:(\w+)\}", preset.url))):
        assert f"`{variable}`" in line or name == "responses"


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_a_quirk_is_documented(dialect: str):
    for quirk in getattr(dialect_class(dialect), "known_quirks", ()):
        lines = [line for line in DOCS.splitlines() if line.startswith("|") and f"`{quirk}`" in line]
        assert any(f"`{dialect}`" in line or "| all |" in line for line in lines), quirk


def test_an_unknown_name_is_refused_with_those_that_are_known():
    with pytest.raises(UsageError) as caught:
        connect("opanai")
    assert "openai" in caught.value.fix


def test_own_rows_come_first_and_bring_their_headers(fault_server):
    event = {"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]}
    fault_server.answers(fault_server.chunked(fault_server.sse(event)))
    presets = {
        "groq": GatewayPreset("openai", fault_server.url, headers={"X-Team": "blue"}, quirks={"include_usage": False})
    }
    from runner.core.messages import Message
    from runner.gateways import Request

    gateway = connect("groq", presets, headers={"X-More": "1"})
    list(gateway.stream(Request("m", (Message.user("hi"),))))
    gateway.close()
    [asked] = fault_server.asked
    assert (asked.headers["x-team"], asked.headers["x-more"]) == ("blue", "1")
    assert "stream_options" not in asked.json


def test_a_row_s_variable_overrides_its_url(monkeypatch):
    preset = GatewayPreset("openai", "http://localhost:1/v1", url_from="OFFICE_URL")
    assert connect("office", {"office": preset}).where == "http://localhost:1/v1"
    monkeypatch.setenv("OFFICE_URL", "http://localhost:2/v1")
    assert connect("office", {"office": preset}).where == "http://localhost:2/v1"
