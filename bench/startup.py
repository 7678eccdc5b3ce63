"""Whole processes: from the shell to the first word."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.measure import against, process, tell, until

AGENT = """\
name: bench
gateway: scripted
model: demo
system_prompt: You are a helpful assistant.
tools: [resolve_date]
script: [text: hello]
"""


def run() -> None:
    with tempfile.TemporaryDirectory() as folder:
        agent = Path(folder, "bench.yaml")
        agent.write_text(AGENT)
        elixir = str(Path(__file__).parent.parent / "agents" / "elixir_helper.yaml")
        click, version = against(process("-c", "import click"), process("-m", "runner", "--version"))
        tell("agent-run --version / import click", version, click, 1.3)
        floor, shot, check, prompt = against(
            process("-c", "import click, yaml"),
            process("-m", "runner", str(agent), "-m", "hi"),
            process("-m", "runner", "check", str(agent)),
            until(b"Query: ", "-m", "runner", elixir),
        )
        tell("one-shot on scripted / import click, yaml", shot, floor, 2.5)
        tell("check of one file / import click, yaml", check, floor, 1.8)
        tell("first prompt of elixir_helper / import click, yaml", prompt, floor, 2.5)
