"""Files and messages that are nearly right: each is judged or refused, in time and in little memory."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from golden_edits import Dumper, Loader, at, places
from thoroughness import examples

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SEEDS = [
    *sorted((ROOT / "examples").glob("*/*.yaml")),
    *sorted((HERE.parent / "transcripts" / "golden").glob("*/*.yaml")),
    *sorted(HERE.glob("[cehkopr][eon]*.yaml")),
]
SECONDS, MEGABYTES = 5, 500
ODD: list[Any] = [None, True, False, 0, -1, 10**40, 1.5, -0.0, "", " ", "\n", "é", "\x85", "{{", "{{ x }}", "{% if %}"]
ODD += ["${env:HOME}", "..", "/", "./x", "*", "(", "(?P<a>", "$", "$.", "1x999999999", "[", "a/b", "x" * 2000, [], {}]
ODD += [[[]], [None], {"a": None}, {"$ref": "#"}, {"$regex": "("}, {"$date": []}, {"$any": {}}, {"$blob": 5}, {"": ""}]
ODD += [{"$literal": 5}, {"type": "nonsense"}, {"file": "."}, ["x"] * 300, "2026-03-05", "now", "\\", "a\tb", "0x", "~"]


def spoiled(text: str, chance: random.Random, pool: list[Any]) -> str:
    """The file with some of its values replaced, moved, doubled or dropped, or some of its letters."""
    try:
        trees = list(yaml.load_all(text, Loader))
    except (yaml.YAMLError, RecursionError, ValueError):
        trees = []
    if not trees or chance.random() < 0.2:
        start = chance.randrange(len(text) + 1)
        piece = chance.choice(
            ("", "\t", ": ", "- ", "{", "]", "&a ", "*a", "!!x ", "---\n", "'", "\ufeff", "\x00", "|")
        )
        return text[:start] + piece + text[start + chance.randrange(30) :]
    for _ in range(chance.choice((1, 1, 2, 4))):
        number = chance.randrange(len(trees))
        place, _ = chance.choice(list(places(trees[number])))
        if not place:
            continue
        parent, key = at(trees[number], place[:-1]), place[-1]
        match chance.choice(("odd", "odd", "other", "drop", "key", "twice")):
            case "odd":
                parent[key] = chance.choice(ODD)
            case "other":
                parent[key] = chance.choice(pool)
            case "drop":
                del parent[key]
            case "key" if isinstance(parent, dict):
                parent[chance.choice((f"{key}x", "expect", "python", "file", "$ref", "include"))] = parent.pop(key)
            case _ if isinstance(parent, list):
                parent.insert(0, parent[key])
    documents = [yaml.dump(tree, Dumper=Dumper, sort_keys=False, allow_unicode=True) for tree in trees]
    return "---\n".join(documents)


def pool_of(files: list[Path]) -> list[Any]:
    """Values that stand somewhere in the files, to be put elsewhere."""
    found: list[Any] = []
    for file in files:
        try:
            for tree in yaml.load_all(file.read_text("utf-8"), Loader):
                found += [value for _, value in places(tree) if len(str(value)) < 300]
        except (yaml.YAMLError, RecursionError, ValueError):
            continue
    return found


@pytest.fixture(scope="module")
def pool() -> list[Any]:
    return pool_of(SEEDS)


def environment(folder: Path) -> dict[str, str]:
    homes = {f"AGENT_RUN_{kind}_HOME": str(folder / kind) for kind in ("CONFIG", "STATE", "CACHE")}
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT), **homes}


def sweep(folder: Path, command: list[str], files: list[str]) -> Iterator[str]:
    """What is wrong with what the command did with the files of the folder, in one process."""
    report = folder.parent / "report.jsonl"
    report.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-P", "-B", str(HERE / "sweep.py"), str(report), *command, "--", *files],
        cwd=folder,
        env=environment(folder.parent),
        input="",
        capture_output=True,
        text=True,
        timeout=240,
    )
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    if not lines or "megabytes" not in lines[-1]:
        yield f"{command} ended at {files[len(lines)]}: {done.stderr[-500:]}"
        return
    if lines[-1]["megabytes"] > MEGABYTES:
        yield f"{command} took {lines[-1]['megabytes']} MB"
    for line in lines[:-1]:
        told = f"{command} {line['file']}: {line['code']} in {line['seconds']:.1f} s, did {line['did']}\n{line['said']}"
        if line["code"] not in range(7) or line["seconds"] > SECONDS or line["did"] or "Traceback" in line["said"]:
            yield f"{told}\n{(folder / line['file']).read_text('utf-8', 'replace')[:2000]}"


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 4))])
def test_no_file_is_more_than_refused(tmp_path: Path, pool: list[Any], seed: int):
    """Agent files, transcripts, suites and OpenAPI documents."""
    chance = random.Random(seed)
    folder = tmp_path / "files"
    folder.mkdir()
    for helper in ("golden/calendar/prompts", "golden/files/notes"):
        (folder / Path(helper).name).symlink_to(HERE.parent / "transcripts" / helper)
    names: list[str] = []
    for number in range(examples(100)):
        seed_file = chance.choice(SEEDS)
        kind = "transcript.yaml" if "transcript" in seed_file.name else "yaml"
        name = f"{number}.{kind}"
        text = spoiled(seed_file.read_text("utf-8"), chance, pool)
        (folder / name).write_text(text, "utf-8", "replace")
        names.append(name)
        for other in seed_file.parent.glob("*.yaml"):
            if not (folder / other.name).exists():
                (folder / other.name).write_bytes(other.read_bytes())
    wrong = [*sweep(folder, ["check", "FILE"], names), *sweep(folder, ["show", "FILE"], names)]
    wrong += sweep(folder, ["replay", "FILE"], [name for name in names if "transcript" in name])
    assert not wrong, "\n\n".join(wrong)


OPENAPI = (HERE.parent / "transcripts" / "golden" / "web" / "library.yaml").read_text("utf-8")


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_no_openapi_document_is_more_than_refused(tmp_path: Path, pool: list[Any], seed: int):
    chance = random.Random(seed)
    folder = tmp_path / "files"
    folder.mkdir()
    names = []
    for number in range(examples(60)):
        (folder / f"{number}.openapi.yaml").write_text(spoiled(OPENAPI, chance, pool), "utf-8", "replace")
        tools = f"tools: [{{openapi: {{spec: {number}.openapi.yaml, url: 'http://127.0.0.1:9/'}}}}]"
        (folder / f"{number}.yaml").write_text(f"gateway: scripted\nmodel: m\n{tools}\nscript: [done]\n")
        names.append(f"{number}.yaml")
    wrong = [*sweep(folder, ["show", "FILE"], names), *sweep(folder, ["FILE", "--trust", "-m", "hi"], names)]
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 40))])
def test_no_answer_of_a_server_is_more_than_a_failure(tmp_path: Path, seed: int):
    server = f"[{json.dumps(sys.executable)}, {HERE}/parts/fuzz_server.py, '{seed}']"
    agent = tmp_path / "agent.yaml"
    agent.write_text(
        "gateway: scripted\nmodel: m\n"
        f"tools: [{{mcp: {{name: far, command: {server}, effects: none, timeout: 4, required: false}}}}]\n"
        "script: [{calls: [{far__echo: {}}, {far__tool1: {a: x}}]}, {text: done}]\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "runner", str(agent), "--trust", "-m", "hi"],
        env=environment(tmp_path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode in (0, 4), done.stderr
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
