"""What runs is what was consented to: files changed while the question stands, or while the agent runs, are not run."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from runner.config.loader import load_agent
from runner.config.trust.capabilities import capabilities_of
from runner.config.trust.manifest import build_manifest
from runner.config.trust.trust import ensure_trusted
from runner.core.errors import NeedsTrust
from runner.core.events import ToolFinished
from runner.engine.from_agent import SessionOptions, open_tools
from runner.engine.session import ChatSession

HEAD = "gateway: scripted\nmodel: m\n"
GO = "script: [{calls: [{go: {}}]}, {text: done}, {calls: [{go: {}}]}, {text: done}]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "agent"
    folder.mkdir()
    return folder


def put(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if text.startswith("#!"):
            path.chmod(0o755)


def agent_file(folder: Path, tools: str, script: str = GO) -> Path:
    (folder / "a.yaml").write_text(f"{HEAD}{script}tools: [{tools}]\n")
    return folder / "a.yaml"


def results(session: ChatSession) -> list[Any]:
    return [event.result for event in session.send("hi") if isinstance(event, ToolFinished)]


def canary(folder: Path, name: str = "PWNED") -> str:
    return f"open({str(folder / name)!r}, 'w')\n"


PYTHON_TOOL = "{python: {function: './tools.py:go', effects: read}}"


BESIDE = "import sys\nsys.path.insert(0, __file__.rpartition('/')[0])\n"
MODULES = {
    "tools.py": f"{BESIDE}import helper\nfrom pkg import deep\ndef go() -> str:\n    return 'fine'\n",
    "helper.py": "",
    "pkg/__init__.py": "",
    "pkg/deep.py": "",
}


@pytest.mark.parametrize("changed", MODULES)
def test_t1_code_that_is_rewritten_while_the_question_stands_is_not_imported(folder: Path, changed: str) -> None:
    put(folder, MODULES)
    agent = load_agent(agent_file(folder, PYTHON_TOOL))
    asked: list[str] = []

    def answer(shown: str) -> bool:
        asked.append(shown)
        (folder / changed).write_text(canary(folder))
        return len(asked) == 1

    with pytest.raises(NeedsTrust):
        ChatSession.from_agent(agent, consent=answer)
    assert not (folder / "PWNED").exists()
    assert f"while you were asked, this has changed:\n  ~ the file {changed} has changed" in asked[1]
    with pytest.raises(NeedsTrust):
        ChatSession.from_agent(agent)


@pytest.mark.parametrize("changed", MODULES)
def test_t1_consent_for_one_run_is_for_what_was_there_when_it_began(folder: Path, changed: str) -> None:
    put(folder, MODULES)
    agent = load_agent(agent_file(folder, PYTHON_TOOL))
    content = ensure_trusted(agent, trust=True)
    (folder / changed).write_text(canary(folder))
    with pytest.raises(NeedsTrust, match=f"{changed} has changed since it was trusted"):
        open_tools(agent, SessionOptions(ChatSession), content)
    assert not (folder / "PWNED").exists()


def test_an_answer_to_what_has_not_changed_is_asked_for_once(folder: Path) -> None:
    put(folder, MODULES)
    agent = load_agent(agent_file(folder, PYTHON_TOOL))
    asked: list[str] = []
    for _ in range(2):
        session = ChatSession.from_agent(agent, consent=lambda shown: asked.append(shown) is None)
        assert [result.output for result in results(session)] == ["fine"]
    assert len(asked) == 1


PROGRAMS = [
    ("run: [./run.sh]", {"run.sh": "#!/bin/sh\necho fine\n"}),
    ("run: [sh, run.sh]", {"run.sh": "echo fine\n"}),
    ("run: [sh, notes.txt]", {"notes.txt": "echo fine\n"}),
    ("run: [sh, -c, './run.sh | cat']", {"run.sh": "#!/bin/sh\necho fine\n"}),
    ("run: [sh, run.sh]", {"run.sh": ". ./lib.sh\n", "lib.sh": "echo fine\n"}),
    (f"run: [{sys.executable}, main.py]", {"main.py": "import side\nprint('fine')\n", "side.py": ""}),
    (f"run: [{sys.executable}, -m, mod]", {"mod.py": "print('fine')\n"}),
    (f"run: [{sys.executable}, -mmod]", {"mod/__main__.py": "print('fine')\n"}),
    (
        f"run: [{sys.executable}, app]",
        {"app/__main__.py": "import other\nprint('fine')\n", "app/other.py": ""},
    ),
    (
        f"run: [{sys.executable}, -c, 'import side; print(1)'], env: {{PYTHONPATH: lib}}",
        {"lib/side.py": "print('fine')\n"},
    ),
    ("run: [sh, --init-file=rc.sh, run.sh]", {"run.sh": "echo fine\n", "rc.sh": ""}),
    (
        "run: [sh, run.sh, -Xrc.js, '@args', -Ilib]",
        {"run.sh": "echo", "rc.js": "1", "args": "2", "lib/x.py": ""},
    ),
    ("run: [sh, run.sh], cwd: sub", {"sub/run.sh": "echo fine\n"}),
    (
        "run: [sh, run.sh], env: {BASH_ENV: env.sh, LD_LIBRARY_PATH: './lib'}",
        {"run.sh": "", "env.sh": "", "lib/x.so": ""},
    ),
    ("run: [make]", {"Makefile": "all:\n\techo fine\n"}),
]


@pytest.mark.parametrize(("command", "files"), PROGRAMS, ids=[command for command, _ in PROGRAMS])
def test_t2_t6_each_file_that_a_program_runs_is_held_to_what_was_consented_to(
    folder: Path, command: str, files: dict[str, str]
) -> None:
    put(folder, files)
    tool = f"{{command: {{name: go, description: d, effects: read, {command}}}}}"
    path = agent_file(folder, tool)
    for name in files:
        file = folder / name
        before = build_manifest(capabilities_of(load_agent(path)))
        assert file.relative_to(folder).as_posix() in before.files
        session = ChatSession.from_agent(load_agent(path), trust=True)
        text = file.read_text()
        file.write_text(text + "\n# changed by a call of this very conversation\n")
        (result,) = results(session)
        assert result.failed
        assert f"{file} has changed since it was trusted" in result.output
        file.write_text(text)
        (result,) = results(session)
        assert "has changed" not in str(result.output)


HARMLESS: list[tuple[str, dict[str, str], str, str]] = [
    ("run: [cat, notes.md]", {"notes.md": "fine"}, "notes.md", "other"),
    ("run: [cat, main.py]", {"main.py": "fine"}, "main.py", "other"),
    ("run: [grep, -rn, fine, notes]", {"notes/a.py": "fine"}, "notes/a.py", "fine other"),
    ("run: [sh, run.sh, data.json]", {"run.sh": "cat $1\n", "data.json": "{}"}, "data.json", "[]"),
    ("run: [sh, run.sh, --db, data.db]", {"run.sh": "cat $2\n", "data.db": "1"}, "data.db", "2"),
    ("run: [sh, run.sh, -o, out.txt]", {"run.sh": "echo fine\n"}, "out.txt", "new"),
    ("run: [sh, run.sh]", {"run.sh": "echo fine\n"}, "a.yaml", "not: an agent any more"),
    ("run: [sh, run.sh]", {"run.sh": "echo fine\n"}, "other.sh", "not named"),
]


@pytest.mark.parametrize(("command", "files", "name", "text"), HARMLESS, ids=[f"{row[0]} {row[2]}" for row in HARMLESS])
def test_what_a_conversation_writes_as_data_hinders_nobody(
    folder: Path, command: str, files: dict[str, str], name: str, text: str
) -> None:
    put(folder, files)
    tool = f"{{command: {{name: go, description: d, effects: read, {command}}}}}"
    session = ChatSession.from_agent(load_agent(agent_file(folder, tool)), trust=True)
    (folder / name).write_text(text)
    (result,) = results(session)
    assert not result.failed, result.output


def test_t2_a_script_that_a_permitted_write_replaces_is_not_run(folder: Path) -> None:
    put(folder, {"run.sh": "echo fine\n"})
    script = (
        "script: [{calls: [{files_write: {path: run.sh, content: 'touch PWNED'}}]}, {calls: [{go: {}}]}, {text: x}]\n"
    )
    tools = "{command: {name: go, description: d, run: [sh, run.sh], effects: read}}, {files: {root: ., write: true}}"
    agent = load_agent(agent_file(folder, tools, script))
    told: list[str] = []
    session = ChatSession.from_agent(agent, trust=True, allow=["files_write"], notify=told.append)
    written, ran = results(session)
    assert not written.failed
    assert "run.sh has changed since it was trusted, and is not run" in ran.output
    assert not (folder / "PWNED").exists()


def test_a_script_that_appears_where_one_was_named_is_not_run(folder: Path) -> None:
    tool = "{command: {name: go, description: d, run: [sh, late.sh], effects: read}}"
    session = ChatSession.from_agent(load_agent(agent_file(folder, tool)), trust=True)
    put(folder, {"late.sh": "touch PWNED\n"})
    (result,) = results(session)
    assert "is new since it was trusted" in result.output


def test_an_agent_that_is_a_tool_may_change_its_words_and_not_what_it_can_do(folder: Path) -> None:
    inner = f"{HEAD}script: [{{text: fine}}, {{text: fine}}]\ndescription: d\n"
    (folder / "b.yaml").write_text(inner)
    script = "script: [{calls: [{b: {message: hi}}]}, {text: x}, {calls: [{b: {message: hi}}]}, {text: x}]\n"
    session = ChatSession.from_agent(load_agent(agent_file(folder, "{agent: ./b.yaml}", script)), trust=True)
    (folder / "b.yaml").write_text(inner + "system_prompt: other words\n")
    (result,) = results(session)
    assert result.output == "fine"
    (folder / "b.yaml").write_text(inner + "tools: [{command: {name: go, description: d, run: [touch, PWNED]}}]\n")
    (result,) = results(session)
    assert "b.yaml has changed since it was trusted" in result.output


def test_a_compiled_file_beside_a_module_is_never_used(folder: Path) -> None:
    import py_compile

    put(folder, {"side.py": canary(folder)})
    py_compile.compile(str(folder / "side.py"), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    put(folder, {"side.py": "", "tools.py": f"{BESIDE}import side\ndef go() -> str:\n    return 'fine'\n"})
    session = ChatSession.from_agent(load_agent(agent_file(folder, PYTHON_TOOL)), trust=True)
    (result,) = results(session)
    assert (result.output, (folder / "PWNED").exists()) == ("fine", False)


def test_a_module_that_is_imported_in_the_middle_of_a_call_is_held_to_consent_too(folder: Path) -> None:
    late = "def go() -> str:\n    import quite_late\n    return 'fine'\n"
    put(folder, {"quite_late.py": "", "tools.py": BESIDE + late})
    session = ChatSession.from_agent(load_agent(agent_file(folder, PYTHON_TOOL)), trust=True)
    put(folder, {"quite_late.py": canary(folder)})
    (result,) = results(session)
    assert "quite_late.py has changed since it was trusted" in result.output
    assert not (folder / "PWNED").exists()
