"""The architecture, held: walls between rooms, no cycles, who may reach the outside, one language, sizes, a start."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RUNNER = ROOT / "runner"
ROOMS = ("core", "gateways", "tools", "config", "engine", "transcripts", "commands", "cli")
"""In order: a room imports only from those before it; `tools` needs no gateway."""
APART = {"tools": {"gateways"}}

FOLDERS: Mapping[str, tuple[str, ...]] = {
    "gateways": ("http", "dialects", "local"),
    "tools": ("builtin", "mcp", "kinds"),
    "config": ("yaml", "template", "validation", "trust"),
    "transcripts": ("expectations", "files", "conversation", "replaying", "recording", "reports", "suite"),
    "commands": ("doctor",),
    "cli": ("terminal",),
}
"""The sub-folders of a room, in order: one imports only from those before it."""

MAY_IMPORT: Mapping[str, set[str]] = {
    "socket": {
        "runner.gateways.http",
        "runner.tools.guarded_http",
        "runner.tools.guarded_transport",
        "runner.tools.allowed_hosts",
    },
    "ssl": {"runner.gateways.http", "runner.tools.guarded_http", "runner.tools.guarded_transport"},
    "http.client": {"runner.gateways.http"},
    "urllib.request": {"runner.gateways.http"},
    "httpx": {"runner.gateways.http", "runner.tools.guarded_http", "runner.tools.guarded_transport"},
    "subprocess": {"runner.gateways.local.process", "runner.tools.program_run", "runner.tools.process_tree"},
    "jsonschema": {"runner.core.json_schema_explanation"},
    "jsonschema_specifications": {"runner.core.json_schema_explanation"},
    "referencing": {"runner.core.json_schema_explanation"},
    "jsonschema_rs": {"runner.core.json_schema"},
    "platformdirs": {"runner.core.dirs"},
    "asyncio": {"runner.tools.mcp", "runner.tools.function"},
    "anyio": {"runner.tools.mcp"},
}
"""Who may reach the outside, a module or all of a folder: everybody else asks these."""

GENERIC = {"provider", "manager", "helper", "utils", "base", "factory"}
METAPHORS = {
    *("place", "spot", "located", "mistake", "trouble", "remark", "answerer"),
    *("said", "told", "voice", "person", "people", "stand", "stage", "play", "tape", "ghost", "understudy"),
    *("deed", "sense", "standing", "closure", "seal", "reach", "abridge", "inert", "offspring", "spent"),
    *("lively", "elders", "doubt", "hurry", "greet", "life", "grave", "steadied", "woven", "dressed", "blame"),
    *("unshapely", "misfit", "farewell", "peace", "noise", "death", "mother", "fathoming"),
}
PUBLIC: set[str] = set()

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
ON_DEMAND = {"runner.config.template.instrument", "runner.tools.guarded_transport"}
"""Modules that are imported lazily as a whole, since all of them is about heavy ones."""

NEEDED_BY_FEW = {
    "runner.config.trust.manifest",
    "runner.config.trust.store",
    "runner.config.validation.schema_messages",
    "runner.config.yaml.messages",
    "runner.core.truncate_tool_results",
}
"""What explains an error, asks for consent, or cuts what is too long."""

MODULES = sorted(RUNNER.rglob("*.py"))


def name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name(path): path for path in MODULES}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def of_statement(node: ast.AST) -> Iterator[str]:
    """Each module that an import statement names, `from package import name` also as package.name."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


REFERENCE = re.compile(r"(runner(?:\.\w+)+)(?::\w+)?")


def in_strings(path: Path) -> Iterator[str]:
    """Modules of ours named in strings: "runner.tools.kinds.command:KIND", or the beginning of f"runner.cli.{name}"."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(parsed(path)):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in docstrings:
            continue
        if reference := REFERENCE.fullmatch(node.value.rstrip(".")):
            yield reference[1]


def imports(path: Path) -> set[str]:
    """All that the module imports, at once, lazily, for the type checker alone, or by a name in a string."""
    named = {module for node in ast.walk(parsed(path)) for module in of_statement(node)}
    return named | set(in_strings(path))


def for_types_alone(tree: ast.Module) -> set[ast.AST]:
    blocks = (node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
    return {child for block in blocks for statement in block.body for child in ast.walk(statement)}


def at_run_time(path: Path) -> set[str]:
    """What the module imports when it runs, sooner or later."""
    skipped = for_types_alone(parsed(path))
    return {module for node in ast.walk(parsed(path)) if node not in skipped for module in of_statement(node)}


def at_import(tree: ast.Module) -> Iterator[str]:
    """What importing the module imports: not what functions import, nor what only a type checker reads."""
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop()
        yield from of_statement(node)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.If | ast.Try | ast.With | ast.ClassDef):
            waiting += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if parts[0] == "runner" and len(parts) > 1 and parts[1] in ROOMS else ""


def folder(module: str) -> str:
    parts = module.split(".")
    return parts[2] if len(parts) > 2 and parts[2] in FOLDERS.get(room(module), ()) else ""


@pytest.mark.parametrize("module", NAMES)
def test_a_room_imports_only_from_the_rooms_before_it(module: str):
    home = room(module)
    for other in imports(NAMES[module]):
        if home and (there := room(other)):
            assert ROOMS.index(there) <= ROOMS.index(home), f"{module} imports {other}"
            assert there not in APART.get(home, ()), f"{module} imports {other}"


READS_BY_ITSELF = {
    "runner.core.files": "here is where files are read",
    "runner.config.validation.schema": "our own schemas, which may be in an archive",
    "runner.tools.process_tree": "/proc",
    "runner.tools.supervisor": "/proc, and /dev/null",
    "runner.cli": "/dev/null",
    "runner.cli.terminal.streams": "the standard streams",
    "runner.tools.builtin.rooted_folder": "from an open folder",
}


@pytest.mark.parametrize("module", sorted(NAMES.keys() - READS_BY_ITSELF.keys()))
def test_files_are_read_within_bounds(module: str):
    """A path may lead to a pipe that nobody writes to, or to a file without end: `core/files.py` knows."""
    for node in ast.walk(parsed(NAMES[module])):
        if not isinstance(node, ast.Call):
            continue
        called, arguments = (
            ast.unparse(node.func),
            [argument.value for argument in node.args if isinstance(argument, ast.Constant)],
        )
        assert not called.endswith((".read_text", ".read_bytes")), f"{module}: {called}"
        opens = called in ("open", "os.open", "io.open") or (called.endswith(".open") and {"r", "rb"} & {*arguments})
        assert not opens, f"{module}: {called}"


@pytest.mark.parametrize("module", NAMES)
def test_a_folder_imports_only_from_the_folders_before_it(module: str):
    if home := folder(module):
        order = FOLDERS[room(module)]
        for other in imports(NAMES[module]):
            if room(other) == room(module) and (there := folder(other)):
                assert order.index(there) <= order.index(home), f"{module} imports {other}"


def test_the_folders_are_those_that_stand_there():
    for each in ROOMS:
        folders = {path.parent.name for path in (RUNNER / each).glob("*/__init__.py")}
        assert folders == set(FOLDERS.get(each, ())), each


def test_core_needs_the_standard_library_alone():
    allowed = sys.stdlib_module_names | {"runner"}
    lazily = {
        "runner.core.json_schema": {"jsonschema_rs"},
        "runner.core.json_schema_explanation": {"jsonschema", "jsonschema_specifications", "referencing"},
        "runner.core.bounded_regex": {"regex"},
        "runner.core.dirs": {"platformdirs"},
        "runner.core.bounded_data": {"yaml"},
    }
    for path in (RUNNER / "core").rglob("*.py"):
        for module in at_run_time(path):
            assert module.split(".")[0] in allowed | lazily.get(name(path), set()), f"{path} imports {module}"


def test_there_is_no_import_cycle_not_even_a_lazy_one():
    edges = {
        module: {other for other in at_run_time(path) if other in NAMES and other != module}
        for module, path in NAMES.items()
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


@pytest.mark.parametrize("module", NAMES)
def test_only_those_who_may_reach_the_outside(module: str):
    for other in at_run_time(NAMES[module]):
        for guarded, allowed in MAY_IMPORT.items():
            if other == guarded or other.startswith(guarded + "."):
                assert any(f"{module}.".startswith(f"{each}.") for each in allowed), f"{module} imports {other}"


def test_the_core_and_the_catalogues_import_nothing_heavy():
    for module, path in NAMES.items():
        if room(module) != "transcripts" and module not in ON_DEMAND:
            heavy = set(at_import(parsed(path))) & HEAVY
            assert not heavy, f"{module} imports {heavy} before they are needed"


def test_replay_is_never_asked_about_outside_transcripts():
    for module, path in NAMES.items():
        if room(module) in ROOMS[: ROOMS.index("transcripts")]:
            tests = [node.test for node in ast.walk(parsed(path)) if isinstance(node, ast.If | ast.IfExp)]
            assert not any("replay" in ast.unparse(test) for test in tests), module
            assert "replay" not in {word for identifier in defined(path) for word in words(identifier)}, module


def defined(path: Path) -> Iterator[str]:
    """The names that a module gives: its own, and those of its classes, functions, parameters and constants."""
    yield path.stem
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def words(identifier: str) -> set[str]:
    """`RecordedGateway` and `recorded_gateway` as words in lower case, plurals as singulars too."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", identifier)
    lower = {part.lower() for part in parts}
    return lower | {word.removesuffix("s") for word in lower}


@pytest.mark.parametrize("module", NAMES)
def test_names_are_of_this_field(module: str):
    assert ast.get_docstring(parsed(NAMES[module])), f"{module} has no docstring"
    for identifier in set(defined(NAMES[module])) - PUBLIC:
        assert not words(identifier) & (GENERIC | METAPHORS), f"{module}: {identifier}"


def test_a_public_class_has_a_name_of_its_own():
    seen: dict[str, str] = {}
    for module, path in NAMES.items():
        for node in parsed(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                assert node.name not in seen, f"{node.name} stands in {seen[node.name]} and in {module}"
                seen[node.name] = module


KINDS = {"agent", "builtin", "command", "files", "http", "mcp", "openapi", "python"}


@pytest.mark.parametrize("module", NAMES)
def test_kinds_of_tools_are_told_apart_in_their_own_files_alone(module: str):
    if module.startswith(("runner.tools.kinds", "runner.tools.catalogue")):
        return
    for node in ast.walk(parsed(NAMES[module])):
        if isinstance(node, ast.Compare) and "kind" in ast.unparse(node):
            strings = {each.value for each in ast.walk(node) if isinstance(each, ast.Constant)}
            assert not strings & KINDS, f"{module}:{node.lineno}"
        elements: list[ast.expr | None] = []
        if isinstance(node, ast.Dict):
            elements = list(node.keys)
        elif isinstance(node, ast.Set | ast.Tuple | ast.List):
            elements = list(node.elts)
        strings = {each.value for each in elements if isinstance(each, ast.Constant)}
        assert len(strings & KINDS) < 3, f"{module}:{getattr(node, 'lineno', 0)}"


MANY_KEYWORDS = {
    "runner.engine.session.__init__",
    "runner.engine.session.from_agent",
    "runner.engine.broker.__init__",
    "runner.gateways.http.gateway.__init__",
}
"""Public constructors, whose keywords are for people to read."""


@pytest.mark.parametrize("module", NAMES)
def test_modules_functions_and_their_parameters_stay_few(module: str):
    source = NAMES[module].read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 350
    for node in ast.walk(parsed(NAMES[module])):
        if isinstance(node, ast.ClassDef):
            assert (node.end_lineno or 0) - node.lineno < 250, f"{module}.{node.name} is too long"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 50, f"{module}.{node.name} is too long"
            typed_in = any(
                "click." in ast.unparse(each) or "_option" in ast.unparse(each) for each in node.decorator_list
            )
            if not typed_in and f"{module}.{node.name}" not in MANY_KEYWORDS:
                spec = node.args
                given = [each.arg for each in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)]
                assert len([each for each in given if each not in ("self", "cls")]) <= 6, f"{module}.{node.name}"


def test_a_broad_except_stands_in_two_modules_only():
    broad = set()
    for module, path in NAMES.items():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ExceptHandler):
                caught = ast.unparse(node.type) if node.type else "BaseException"
                if caught in {"Exception", "BaseException"} and not _raises_again(node):
                    broad.add(module)
    assert broad == {"runner.core.foreign_code", "runner.cli"}


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
        (["chat", "{agent}", "-m", "hi"], 91),
        (["check", "{agent}"], 62),
        (["replay", "tests/transcripts/compat/0.1/examples/dates.transcript.yaml"], 144),
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
