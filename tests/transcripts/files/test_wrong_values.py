"""Every key of a transcript with every kind of wrong value: an error at its line or a verdict, and no crash."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import warm_process

AGENT = """\
gateway: scripted
model: demo
system_prompt: Be {{ manner }}.
variables: {manner: kind}
tools: [resolve_date, ask_user]
options: {temperature: 0.2}
script: [{text: Hello.}]
"""

SCRIPT: dict[str, Any] = {
    "transcript": 1,
    "agent": "agent.yaml",
    "about": "A date.",
    "tags": ["smoke"],
    "clock": "2026-03-05T09:30:00Z",
    "seed": 7,
    "variables": {"manner": "kind"},
    "tools": {"resolve_date": "stub"},
    "normalize": ["ws"],
    "stale": {"tools": "warn"},
    "redact": {"PIN": "[0-9]{9}"},
    "keep_going": True,
    "turns": [
        {
            "id": "plan",
            "user": {"text": "Next Friday?", "files": ["dot.gif"]},
            "answers": {"ask_user": ["blue"], "approve": ["resolve_date"]},
            "keep_going": False,
            "expect": [
                {"text": "It is Friday.", "normalize": ["ws"], "severity": "warn", "when": "both"},
                {"contains": {"all": ["Friday"], "any": ["Friday"]}},
                {"icontains": "friday"},
                {"regex": "Fri(?P<rest>day)"},
                {
                    "tools": {
                        "mode": "in_order",
                        "calls": [
                            {
                                "resolve_date": {"date": {"$regex": "Fri"}},
                                "args": "exact",
                                "times": 1,
                                "returned": {"date": "2026-03-06"},
                                "failed": False,
                            },
                            {"ask_user": {"question": {"$len": 5}}, "with_previous": True},
                        ],
                    }
                },
                {"request": {"model": "demo", "system": "Be kind.", "options": {}, "messages": {"$range": [1, 9]}}},
                {"events": ["text"]},
                {"finish": "stop"},
                {"exit": 0},
                {"budget": {"calls": 2, "tool_calls": 2, "in_tokens": 99, "cost_usd": 1.5, "total_ms": 9}},
                {"not": {"json": {"schema": {"type": "object"}, "at": {"$.a": 1}}}},
                {
                    "not": {
                        "json": {"schema": {"type": "object"}, "at": {"$.a": {"$approx": {"value": 1, "within": 2}}}}
                    }
                },
            ],
        },
        {"id": "state", "user": "Thank you."},
    ],
    "finally": [{"budget": {"calls": 9}}],
}

CALLS: list[Any] = [
    {"resolve_date": {"date": "Friday"}, "returned": {"date": "2026-03-06"}, "failed": False},
    {"ask_user": {"question": "Sure?"}, "returned": "blue"},
    {"resolve_date": None, "args_text": '{"date": ', "returned": "no JSON", "failed": True},
]
USAGE = {"in": 1, "out": 2, "cached": 0, "reasoning": 0, "ms": [1, 2]}
TURNS: dict[str, Any] = {
    "plan": [
        {"reply": {"seen": "5e0c12aa", "finish": "tool_calls", **USAGE}, "thinking": "Hm.", "calls": CALLS},
        {"reply": {"finish": "stop"}, "text": "It is Friday.", "chunks": "4 1x3"},
    ],
    "state": [{"reply": {"error": {"status": 429, "code": "GW-RATE", "message": "slow", "retry_after": 1.5}}}],
}
INPUTS = {
    "clock": "2026-03-05T09:30:00Z",
    "seed": 7,
    "variables": {"manner": "kind"},
    "capabilities": {"tools": True, "window": 4096, "lacks": ["seed"]},
}
MACHINE: dict[str, Any] = {
    "recording": "scripted/demo",
    "format": 1,
    "resolved": "demo-1",
    "recorded": "2026-03-05T09:30:00Z",
    "with": INPUTS,
    "redacted": {"PIN": 1},
    "accepted": ["system"],
    "request": {
        "system": "Be kind.",
        "tools": {"resolve_date": {"sig": "(date: string)", "doc": "A date.", "is": "5e0c12aa"}},
        "options": {"temperature": 0.2},
        "stamp": {"system": "ba0da479", "tools": "69f05acc", "options": "81b1ddb7", "turns": "81b1ddb7"},
    },
    "turns": TURNS,
    "state": {"plan/1": '["openai", "demo", {"a": 1}]'},
}
HAND: dict[str, Any] = {
    "recording": "hand/fault",
    "with": INPUTS,
    "turns": TURNS,
    "expect": [{"contains": "Friday"}, {"exit": 4}],
}
SUITE: dict[str, Any] = {
    "suite": 1,
    "clock": "2026-03-05T09:30:00Z",
    "variables": {"manner": "kind"},
    "tools": {"resolve_date": "stub"},
    "partials": {"hello": [{"id": "hello", "user": "Hello.", "expect": [{"contains": "hi"}]}]},
}

NESTED: Any = {}
for _ in range(50):
    NESTED = {"a": [NESTED]}
WRONG: list[Any] = [
    None,
    True,
    5,
    -1,
    1.0,
    0.5,
    1e300,
    10**390,
    "",
    "x",
    "{{ nothing }}",
    "{{ 1 / 0 }}",
    "((a+)+$",
    "\x1b[31m\u202e\0",
    "../../../etc/passwd",
    [],
    ["x"],
    [[]],
    [5],
    {},
    {"$literal": 5},
    {"$blob": "0" * 32 + ".txt"},
    {"$blob": 5},
    {"$regex": "("},
    {"x": 1},
    NESTED,
]
LEFT_OUT = object()


def places(value: Any) -> Iterator[tuple[Any, ...]]:
    """The path of everything that stands in the value."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (key,)
        for path in places(inner):
            yield (key, *path)


def changed(document: dict[str, Any], path: tuple[Any, ...], wrong: Any) -> dict[str, Any]:
    """The document with another value at the path, or without it."""
    copied = inner = copy.deepcopy(document)
    for key in path[:-1]:
        inner = inner[key]
    if wrong is LEFT_OUT:
        del inner[path[-1]]
    else:
        inner[path[-1]] = wrong
    return copied


def written(*documents: dict[str, Any]) -> str:
    """JSON is YAML, and escapes what YAML does not take."""
    return "\n---\n".join(json.dumps(document) for document in documents) + "\n"


def run(folder: Path, *arguments: str) -> tuple[int, Any]:
    done = warm_process.run_outside_ci(folder, *arguments)
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    assert done.returncode in (0, 1, 2, 3, 5, 6), (done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done.returncode, json.loads(done.stdout)


def cases(document: str, every: int) -> Iterator[tuple[str, str, str]]:
    """A name, the transcript's text and the suite's, for each place and one in `every` of the wrong values."""
    whole = {"script": SCRIPT, "machine": MACHINE, "hand": HAND, "suite": SUITE}
    for position, path in enumerate(places(whole[document])):
        name = ".".join(map(str, path)).replace("/", "-").replace("$", "")
        for number, wrong in list(enumerate([LEFT_OUT, *WRONG]))[position % every :: every]:
            spoilt = whole | {document: changed(whole[document], path, wrong)}
            yield (
                f"{name}-{number}",
                written(spoilt["script"], spoilt["machine"], spoilt["hand"]),
                written(spoilt["suite"]) if document == "suite" else "",
            )


UNSCRIPTED = "the recorded turn "


@pytest.mark.parametrize("document", ["script", "machine", "hand", "suite"])
@pytest.mark.parametrize("every", [29, pytest.param(1, marks=pytest.mark.slow)])
def test_any_value_at_any_key_is_an_error_at_its_line_or_a_verdict(tmp_path: Path, document: str, every: int) -> None:
    files = 0
    for name, text, suite in cases(document, every):
        folder = tmp_path / (name if suite else ".")
        folder.mkdir(exist_ok=True)
        (folder / "agent.yaml").write_text(AGENT)
        (folder / "dot.gif").write_bytes(b"GIF89a\x01\x00\x01\x00\x00\x00\x00;")
        (folder / f"{name}.transcript.yaml").write_text(text)
        if suite:
            (folder / "_suite.yaml").write_text(suite)
        files += 1
    _, checked = run(tmp_path, "check", "--format", "json", ".")
    _, replayed = run(tmp_path, "replay", "--report", "json", ".")
    assert len({cell["file"] for cell in replayed["cells"]}) == files
    told: dict[str, set[tuple[int, str]]] = {}
    for problem in checked:
        if problem["severity"] == "error":
            text = f"{problem['message']} ({problem['hint']})" if problem["hint"] else problem["message"]
            if text.startswith(UNSCRIPTED):  # in a replay a verdict, which says what comes of it
                text = problem["message"]
            told.setdefault(problem["file"], set()).add((problem["line"], text))
    refused: dict[str, set[tuple[int, str]]] = {}
    for cell in replayed["cells"]:
        assert cell["exit_code"] in (0, 1, 2, 3, 5), cell
        for finding in cell["findings"]:
            assert finding["line"] > 0, finding
            # What is wrong with a template, only its values tell.
            if finding["kind"] == "file" and not finding["what"].startswith("template:"):
                refused.setdefault(finding["file"], set()).add((finding["line"], finding["what"]))
            if finding["level"] == "fail" and finding["what"].startswith(UNSCRIPTED):
                what = finding["what"].partition(", so")[0]
                refused.setdefault(finding["file"], set()).add((finding["line"], what))
    assert told == refused
