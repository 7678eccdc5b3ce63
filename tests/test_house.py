"""The architecture, held: walls between rooms, no cycles, one door to the network, sizes, and a light start."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RUNNER = ROOT / "runner"
ROOMS = {
    "core": set(),
    "gateways": {"core"},
    "tools": {"core"},
    "config": {"core", "gateways", "tools"},
    "engine": {"core", "gateways", "tools", "config"},
    "transcripts": {"core", "gateways", "tools", "config", "engine"},
    "commands": {"core", "gateways", "tools", "config", "engine", "transcripts"},
    "cli": {"core", "gateways", "tools", "config", "engine", "transcripts", "commands"},
}
FORBIDDEN_WORDS = {"provider", "manager", "helper", "utils", "base", "factory"}
HEAVY = {
    "asyncio",
    "concurrent.futures",
    "dateparser",
    "httpx",
    "importlib.metadata",
    "jinja2",
    "jsonschema",
    "mcp",
    "prompt_toolkit",
    "rich",
    "xllamacpp",
}
NEEDED_BY_FEW = {
    "runner.config.trust.manifest",
    "runner.config.trust.store",
    "runner.config.validation.schema_messages",
    "runner.config.yaml.messages",
    "runner.core.truncate_tool_results",
}
"""What explains an error, asks for consent, or cuts what is too long."""
MODULES = sorted(RUNNER.rglob("*.py"))


def room(path: Path) -> str:
    parts = path.relative_to(RUNNER).parts
    return parts[0] if len(parts) > 1 else ""


def name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
    """Each imported module, `from package import name` also as package.name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node
            yield from ((f"{node.module}.{alias.name}", node) for alias in node.names)


def at_import(tree: ast.Module) -> Iterator[str]:
    """What importing the module imports: not what functions import, nor what only a type checker reads."""
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (module for module, _ in imports(node))
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.ClassDef):
            waiting += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_room_imports_only_from_the_rooms_above_it(path: Path):
    home = room(path)
    for module, _ in imports(parsed(path)):
        parts = module.split(".")
        if home and parts[0] == "runner" and len(parts) > 1 and parts[1] in ROOMS:
            assert parts[1] == home or parts[1] in ROOMS[home], f"{name(path)} imports {module}"


def test_core_needs_the_standard_library_alone():
    validators = {"jsonschema", "jsonschema_rs", "jsonschema_specifications", "referencing"}
    besides = {"dirs.py": {"platformdirs"}} | dict.fromkeys(
        ("json_schema.py", "json_schema_explanation.py"), validators
    )
    for path in (RUNNER / "core").rglob("*.py"):
        allowed = sys.stdlib_module_names | {"runner"} | besides.get(path.name, set())
        for module, _ in imports(parsed(path)):
            assert module.split(".")[0] in allowed, f"{path} imports {module}"


def test_there_is_no_import_cycle():
    known = {name(path): path for path in MODULES}
    edges = {
        module: {target for target in at_import(parsed(path)) if target in known and target != module}
        for module, path in known.items()
    }
    done: set[str] = set()
    trail: list[str] = []

    def visit(module: str) -> None:
        assert module not in trail, " → ".join([*trail[trail.index(module) :], module])
        if module in done:
            return
        trail.append(module)
        for target in sorted(edges[module]):
            # A package's __init__ runs before its modules do; naming the package beside them is no cycle of ours.
            if not module.startswith(target + "."):
                visit(target)
        trail.pop()
        done.add(module)

    for module in sorted(edges):
        visit(module)


def test_httpx_is_imported_by_few():
    importers = {
        name(path)
        for path in MODULES
        if any(module.split(".")[0] in {"httpx", "httpcore"} for module, _ in imports(parsed(path)))
    }
    assert importers == {
        "runner.gateways.http.httpx_connection",
        "runner.tools.guarded_http",
        "runner.tools.guarded_transport",
    }


def test_the_validators_of_json_schemas_are_imported_by_the_core_alone():
    validators = {"jsonschema", "jsonschema_rs", "jsonschema_specifications", "referencing"}
    importers = {
        name(path): used
        for path in MODULES
        if (used := {module.split(".")[0] for module, _ in imports(parsed(path))} & validators)
    }
    assert importers == {
        "runner.core.json_schema": {"jsonschema_rs"},
        "runner.core.json_schema_explanation": validators - {"jsonschema_rs"},
    }


def test_the_core_and_the_catalogues_import_nothing_heavy():
    on_demand = {"runner.tools.guarded_transport"}  # subclasses of httpx; the whole module is imported lazily
    for path in MODULES:
        if name(path) not in on_demand and room(path) in {"core", "gateways", "tools", "config", "engine", "cli"}:
            heavy = {module for module in at_import(parsed(path)) if module in HEAVY}
            assert not heavy, f"{name(path)} imports {heavy} before they are needed"


def test_replay_is_never_asked_about_outside_transcripts():
    for path in MODULES:
        if room(path) != "transcripts":
            tests = [node.test for node in ast.walk(parsed(path)) if isinstance(node, ast.If | ast.IfExp)]
            assert not any("replaying" in ast.unparse(test) for test in tests), name(path)


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_modules_and_functions_stay_small(path: Path):
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 350
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 50, f"{name(path)}.{node.name} is too long"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_modules_say_what_they_are_and_use_the_words_of_the_house(path: Path):
    tree = parsed(path)
    assert ast.get_docstring(tree), f"{name(path)} has no docstring"
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            words = set(node.name.lower().strip("_").split("_"))
            assert not words & FORBIDDEN_WORDS, f"{name(path)}.{node.name}"


def test_a_broad_except_stands_in_two_places_only():
    broad = set()
    for path in MODULES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ExceptHandler):
                caught = ast.unparse(node.type) if node.type else "BaseException"
                if caught in {"Exception", "BaseException"} and not _raises_again(node):
                    broad.add(name(path))
    assert broad == {"runner.tools.foreign_code", "runner.cli"}


def _raises_again(handler: ast.ExceptHandler) -> bool:
    return isinstance(handler.body[-1], ast.Raise) and handler.body[-1].exc is None


def imported(*arguments: str) -> set[str]:
    """Every module that is loaded once `agent-run ARGUMENTS` has succeeded, and was not before it began."""
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "from runner.cli import run\n"
        f"assert run({list(arguments)!r}) == 0\n"
        "print('\\nmodules:', *sorted(set(sys.modules) - before), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    return set(done.stderr.rpartition("modules:")[2].split())


def ours(modules: set[str]) -> set[str]:
    return {module for module in modules if module.split(".")[0] == "runner"}


def test_version_imports_click_alone():
    """What `--version` may cost beyond `import click`: our own package and its command line."""
    loaded = imported("--version")
    assert ours(loaded) == {"runner", "runner.cli", "runner.cli.terminal", "runner.cli.terminal.streams"}
    others = {module.split(".")[0] for module in loaded - ours(loaded)}
    assert others <= {"click", "colorama"} | sys.stdlib_module_names
    assert not loaded & HEAVY


@pytest.mark.parametrize(
    "arguments, most",
    [
        (["chat", "{agent}", "-m", "hi"], 88),
        (["check", "{agent}"], 61),
        (["replay", "tests/transcripts/compat/0.1/examples/dates.transcript.yaml"], 139),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_start_imports_nothing_that_the_command_does_not_use(arguments: list[str], most: int, tmp_path: Path):
    """`most` is how many modules of ours it may import: raise it only for one that each such start has to have."""
    agent = tmp_path / "agent.yaml"
    agent.write_text("gateway: scripted\nmodel: demo\ntools: [resolve_date]\nscript: [text: hello]\n")
    loaded = imported(*(argument.format(agent=agent) for argument in arguments))
    assert not loaded & (HEAVY | {"jinja2", "ssl", "http.client", "logging"})
    assert not loaded & NEEDED_BY_FEW
    assert len(ours(loaded)) <= most, sorted(ours(loaded))
