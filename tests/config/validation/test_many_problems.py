"""Very many problems in one file, and wrong types wherever a check looks: told in bounded time, never a crash."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner.config.loader import check_agent
from runner.config.validation.schema import MAX_VIOLATIONS, schema

HEAD = "gateway: scripted\nmodel: m\n"
WRONG: tuple[Any, ...] = (
    *(None, True, 5, "x", [], {}, [5], ["x"], [[]], [{}], {"a": 5}, {"a": []}, {"a": {}}, {"a": {"url": [1]}}),
    *([{"a": 5}], [{"command": 5}], [{"http": [1]}], [{"mcp": {"command": 4}}], [{"openapi": []}], [{"agent": {}}]),
    *([{"python": 5}], [{"a": 1, "b": 2}], [{"gateway": [1]}], {"schema": 5}, {"file": [5]}, {"deny": [5], "allow": 7}),
)
KEYS = sorted(schema("agent")["properties"])


def many(number: int, line: Callable[[int], str]) -> str:
    return "".join(line(each) for each in range(number))


@pytest.mark.parametrize("key", KEYS)
def test_no_type_of_a_value_is_a_crash(key: str, tmp_path: Path) -> None:
    for number, wrong in enumerate(WRONG):
        path = tmp_path / f"{number}.yaml"
        head = {"gateway": "scripted", "model": "m", "script": ["hi"]}
        path.write_text(json.dumps({**head, key: wrong}))
        check_agent(path, environ={})


CUT_OFF = {
    "of fallbacks": "fallback:\n" + many(MAX_VIOLATIONS + 1, lambda number: f"  - {number}\n"),
    "of gateways": "gateways:\n" + many(MAX_VIOLATIONS + 1, lambda number: f"  g{number}: {{ulr: x}}\n"),
}


@pytest.mark.slow
@pytest.mark.parametrize("first", CUT_OFF.values(), ids=CUT_OFF)
def test_nothing_is_taken_for_valid_where_the_list_of_problems_was_cut_off(first: str, tmp_path: Path) -> None:
    """What comes after the last problem that is told may be wrong too, in any way."""
    path = tmp_path / "a.yaml"
    for wrong in WRONG:
        keys = [key for key in KEYS if key not in ("gateway", "model", "extends", first.partition(":")[0])]
        path.write_text(HEAD + first + "".join(f"{key}: {json.dumps(wrong)}\n" for key in keys))
        checked = check_agent(path, environ={})
        assert checked.agent is None
        assert any("more is wrong with this file" in each.message for each in checked.diagnostics)


LARGE = {
    "placeholders": "system_prompt: '" + many(40_000, lambda number: f"${{env:V{number}}}") + "'\n",
    "open placeholders": "system_prompt: '" + "${env:" * 150_000 + "'\n",
    "open defaults": "gateways: {g: {dialect: openai, url: 'http://" + "${env:A:-" * 100_000 + "'}}\n",
    "open braces": "gateways: {g: {dialect: openai, url: 'http://" + "{{" * 400_000 + "'}}\n",
    "open env braces": "gateways: {g: {dialect: openai, url: 'http://" + "{env:" * 150_000 + "'}}\n",
    "gateways": "gateways:\n" + many(14_000, lambda number: f"  g{number}: {{ulr: 'http://a{number}.b/c'}}\n"),
    "options": "limits:\n" + many(3_000, lambda number: f"  rouns{number}: 1\n"),
    "tools": "tools:\n" + many(40_000, lambda number: f"  - tool{number}\n"),
    "names": "system_prompt: '" + many(40_000, lambda number: f"{{{{ v{number} }}}} ") + "'\n",
    "duplicates": many(40_000, lambda number: "name: x\n"),
}


@pytest.mark.slow
@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE)
def test_t12_a_file_of_a_megabyte_is_checked_in_bounded_time(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(HEAD + text)
    assert path.stat().st_size < 1_000_000
    started = time.process_time()
    told = check_agent(path, environ={}).diagnostics
    assert time.process_time() - started < 5
    assert sum(len(each.text) for each in told) < 500_000
