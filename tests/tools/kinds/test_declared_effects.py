"""What a Python function does is declared by the agent file or plainly in the code; else it may do anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runner.core.capability import Capability
from runner.tools import ToolEntry, open_toolbox
from runner.tools.catalogue import tool_kind

HEAD = "from runner import tool\nfrom runner.tools.function import FunctionTool\n"
CLASS = (
    "from runner.core.messages import ToolSpec\n"
    "class go:\n    spec = ToolSpec('go', '', {'type': 'object'}, 'none')\n    def run(self, arguments, context): ...\n"
)
ONE = CLASS.replace("class go", "class One")
SOURCE = f"{ONE}class go:\n    def tools(self): return [One()]\n    def close(self): ...\n"

CODE: list[tuple[str, dict[str, Any], str]] = [
    ("def go(): ...\n", {}, "exec"),
    ("def go(): ...\n", {"effects": "read"}, "read"),
    ("def go(): ...\n", {"effects": "none"}, "none"),
    ("@tool\ndef go(): ...\n", {}, "exec"),
    ("@tool(timeout=3)\ndef go(): ...\n", {}, "exec"),
    ("@tool(effects='read')\ndef go(): ...\n", {}, "read"),
    ("@tool(effects='none')\nasync def go(): ...\n", {}, "none"),
    ("@tool(effects='read')\ndef go(): ...\n", {"effects": "write"}, "write"),
    ("@tool(effects='re' + 'ad')\ndef go(): ...\n", {}, "exec"),
    ("go = FunctionTool(lambda: 1, name='go', effects='read')\n", {}, "exec"),
    ("@tool(effects='read')\ndef go(): ...\ngo = tool(effects='none')(lambda: 1)\ngo._name = 'go'\n", {}, "exec"),
    (CLASS, {}, "exec"),
    (CLASS, {"effects": "read"}, "read"),
    (SOURCE, {}, "exec"),
]


@pytest.mark.parametrize(("code", "options", "effects"), CODE)
def test_t5_a_python_tool_is_taken_for_the_worst_unless_it_is_declared(
    tmp_path: Path, code: str, options: dict[str, Any], effects: str
) -> None:
    (tmp_path / "t.py").write_text(HEAD + code)
    entry = ToolEntry("python", "go", {"function": "./t.py:go", **options}, "a.yaml:1", tmp_path)
    (spec,) = open_toolbox([entry]).specs
    assert spec.effects == effects
    (shown,) = tool_kind("python").capabilities(entry, tmp_path)
    assert isinstance(shown, Capability)
    assert ("not asked about each time" in shown.target) >= (effects in ("none", "read"))
