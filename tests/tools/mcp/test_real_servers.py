"""Real MCP servers: the reference one for time, and the one from Node that exercises everything."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from parts import missing
from runner.core.messages import ToolCall, ToolResult
from runner.tools import Context, Toolbox, ToolEntry, ToolSettings, open_toolbox

PACKAGE = "@modelcontextprotocol/server-everything"


@pytest.fixture
def boxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Toolbox]]:
    monkeypatch.setenv("AGENT_RUN_STATE_HOME", str(tmp_path / "state"))
    opened: list[Toolbox] = []
    yield opened
    for box in opened:
        box.close()


@pytest.fixture(scope="session")
def everything(pytestconfig: pytest.Config) -> Path:
    """The Node server's script; installed once into pytest's cache."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        missing("node and npm are not installed")
    assert pytestconfig.cache is not None
    folder = pytestconfig.cache.mkdir("server-everything")
    script = folder / "node_modules" / PACKAGE / "dist" / "index.js"
    if not script.exists():
        argv = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), PACKAGE]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=300, cwd=folder)
        if done.returncode:
            missing(f"{PACKAGE} could not be installed: {done.stderr[-200:]}")
    return script


def call(box: Toolbox, name: str, /, **arguments: object) -> ToolResult:
    return box.call(ToolCall("1", name, arguments), Context())


def test_the_time_server_tells_the_time(boxes: list[Toolbox]) -> None:
    command = shutil.which("mcp-server-time") or shutil.which("mcp-server-time", path=str(Path(sys.executable).parent))
    if command is None:
        missing("mcp-server-time is not installed")
    declared = ToolEntry("mcp", "time", {"command": [command], "tools": ["get_current_time"]}, "agent.yaml:1")
    boxes.append(open_toolbox([declared], ToolSettings(seconds=30)))
    (spec,) = boxes[0].specs
    assert spec.name == "time__get_current_time" and "timezone" in spec.parameters["properties"]
    told = call(boxes[0], spec.name, timezone="Asia/Kathmandu")
    assert "+05:45" in str(told.output)
    wrong = call(boxes[0], spec.name, timezone="Nowhere/Land")
    assert wrong.failed and "Nowhere/Land" in wrong.output


def test_the_server_of_everything_is_usable_as_a_whole(boxes: list[Toolbox], everything: Path) -> None:
    declared = ToolEntry("mcp", "all", {"command": ["node", str(everything), "stdio"]}, "agent.yaml:1")
    boxes.append(box := open_toolbox([declared], ToolSettings(seconds=30)))
    names = {spec.name for spec in box.specs}
    assert {"all__echo", "all__get-sum", "all__read_resource", "all__get_prompt"} <= names
    assert call(box, "all__echo", message="hi").output == "Echo: hi"
    assert "3" in call(box, "all__get-sum", a=1, b=2).output
    assert call(box, "all__get-sum", a="one", b=2).failed
    image = call(box, "all__get-tiny-image")
    assert [file.media_type for file in image.files] == ["image/png"]
    assert image.files[0].data.startswith(b"\x89PNG")
    assert isinstance(call(box, "all__get-structured-content", location="Chicago").output, dict)
    resources = call(box, "all__read_resource").output
    uri = next(each["uri"] for each in resources if "uri" in each)
    assert "Architecture" in str(call(box, "all__read_resource", uri=uri).output)
    assert call(box, "all__read_resource", uri="demo://resource/none").failed
    prompts = {each["name"] for each in call(box, "all__get_prompt").output}
    assert "args-prompt" in prompts
    asked = call(box, "all__get_prompt", name="args-prompt", arguments={"city": "Oslo"})
    assert str(asked.output).startswith("user: ") and "Oslo" in asked.output


def test_the_file_may_choose_resources_and_leave_prompts(boxes: list[Toolbox], everything: Path) -> None:
    command = ["node", str(everything), "stdio"]
    declared = ToolEntry("mcp", "all", {"command": command, "tools": ["echo", "read_resource"]}, "agent.yaml:1")
    told: list[str] = []
    boxes.append(box := open_toolbox([declared], ToolSettings(seconds=30, notify=told.append)))
    assert [spec.name for spec in box.specs] == ["all__echo", "all__read_resource"]
    assert told == []
