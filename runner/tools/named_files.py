"""The files that a command line and its environment name: what a program would run, and what it reads as data."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from runner.core.child_environment import child_environment, program_path
from runner.tools.entry import ToolEntry
from runner.tools.loaded_files import is_script, python_files, with_loaded_files
from runner.tools.tool_kind import NamedFile

_MAX_CODE_FILES = 300
_MAX_ENTRIES = 5_000

_SEPARATORS = re.compile(r"""[=,:;@\s"'()|&<>`]+""")
_INTERPRETER = re.compile(
    r"(?:ba|z|da|k|fi|c|tc)?sh|busybox|python[\d.]*|pypy[\d.]*|node(?:js)?|deno|bun|perl[\d.]*|ruby[\d.]*|php[\d.]*|"
    r"lua[\d.]*|Rscript|osascript|pwsh|powershell|tclsh|expect|[gmn]?awk|sed|g?make|ninja|just|env|xargs|nohup|timeout|"
    r"nice|sudo|ssh|java|groovy|julia|elixir|go|cargo|npm|npx|yarn|pnpm|uvx?|poetry|ansible-playbook|terraform|docker|"
    r"podman|vim|emacs|gdb"
)
_TAKES_SCRIPT_FIRST = re.compile(r"[gmn]?awk|sed")
_MODULE_OPTION = re.compile(r"-[A-Za-z]*m(.*)")
_BARE_SUFFIXES = (".js", ".mjs", ".cjs", ".rb", ".pl", ".pm", ".py", ".lua", ".php", ".so")
_INLINE = re.compile(r"-\w*[ceEpr]|--(?:command|eval|print|execute)")
# They read, copy or compare what they are given, and have no way to run it.
_READER = re.compile(
    r"basename|black|cat|cksum|cmp|column|comm|cp|cut|date|diff|dirname|du|echo|expand|file|fmt|fold|git|gofmt|[ef]?grep|"
    r"head|isort|join|jq|ln|ls|md5sum|mkdir|mv|nl|od|paste|printf|pyflakes|readlink|realpath|rev|rm|ruff|sha\d+sum|"
    r"shellcheck|stat|strings|tac|tail|tee|test|touch|tr|uniq|wc|xxd|yamllint"
)
_DATA_SUFFIX = re.compile(
    r"\.(?:csv|db|gif|html?|jpe?g|json|jsonl|log|md|ndjson|parquet|pdf|png|rst|sqlite3?|tsv|txt|webp|xlsx|xml)", re.I
)
_CODE_SUFFIX = re.compile(
    r"\.(?:a|awk|bash|bat|bin|[cm]?[jt]sx?|class|cmd|dll|dylib|exs?|exe|fish|go|groovy|jar|java|jl|ksh|lua|mk|node|php|"
    r"p[lm]|ps1|py[cdwz]?|r|rb|rs|sed|sh|so|sql|tcl|vim|war|wasm|zsh)",
    re.I,
)
_IMPLICIT: Mapping[str, tuple[str, ...]] = {
    "make": ("GNUmakefile", "makefile", "Makefile"),
    "just": ("justfile", "Justfile", ".justfile"),
    "task": ("Taskfile.yml", "Taskfile.yaml"),
    "npm": ("package.json", ".npmrc"),
    "node": ("package.json",),
    "deno": ("deno.json", "deno.jsonc"),
    "rake": ("Rakefile", "rakefile"),
    "bundle": ("Gemfile",),
    "cargo": ("Cargo.toml", "build.rs", ".cargo/config.toml"),
    "go": ("go.mod",),
    "gradle": ("build.gradle", "build.gradle.kts", "settings.gradle"),
    "mvn": ("pom.xml",),
    "ant": ("build.xml",),
    "docker": ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml", "Dockerfile"),
    "vagrant": ("Vagrantfile",),
    "pytest": ("pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg", "conftest.py"),
    "tox": ("tox.ini", "pyproject.toml", "setup.cfg"),
    "nox": ("noxfile.py",),
}
"""The files of the working folder that a program runs without being told."""

_SAME_FILES = {
    "gmake": "make",
    "npx": "npm",
    "yarn": "npm",
    "pnpm": "npm",
    "bun": "npm",
    "nodejs": "node",
    "podman": "docker",
    "docker-compose": "docker",
    "gradlew": "gradle",
    "mvnw": "mvn",
}
_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/dev", "/proc", "/sys", "/nix", "/snap", "/System"),
    *(sys.prefix, sys.base_prefix),
)
_MAIN_FILES = ("__main__.py", "package.json", "index.js", "index.mjs", "main.go", "Makefile")


def files_of_program(argv: Sequence[str], entry: ToolEntry) -> Iterator[NamedFile]:
    """The files of an entry that starts a program, by its argument list and environment."""
    env, folders = entry.options.get("env", {}), _folders(entry)
    if not argv:
        return
    found = program_path(str(argv[0]), child_environment(os.environ, env))
    if found and Path(found).resolve().is_relative_to(folders[0]):  # a PATH may lead there
        yield NamedFile(Path(found).resolve())
    yield from named_files(argv, env, folders)


def unwatched_folders(argv: Sequence[str], entry: ToolEntry) -> Sequence[Path]:
    """The folders that the entry's program is given and whose content may change unasked."""
    return tuple(uncovered_folders(argv, entry.options.get("env", {}), _folders(entry)))


def _folders(entry: ToolEntry) -> tuple[Path, ...]:
    folder = entry.folder.resolve()
    return tuple(dict.fromkeys((folder, (folder / str(entry.options.get("cwd", "."))).resolve())))


def named_files(argv: Sequence[str], env: Mapping[str, str], folders: Sequence[Path]) -> Iterator[NamedFile]:
    """The files that a program is given, looked for in `folders`, with those that scripts among them load by name.

    Of a folder that code is run from, the files in it that look like code. Left out are the system's own, which the
    user installed.
    """
    for named in _named(argv, env, folders):
        if named.is_data:
            yield named
            continue
        for path in (_code_below(named.path) or ()) if named.path.is_dir() else (named.path,):
            yield from map(NamedFile, with_loaded_files(path, folders))


def uncovered_folders(argv: Sequence[str], env: Mapping[str, str], folders: Sequence[Path]) -> Iterator[Path]:
    """The folders that the program is given and in which `named_files` does not look: their content may change."""
    if _READER.fullmatch(Path(str(argv[0])).name):
        return
    looked_in = {path for path, _ in _named(argv, env, folders) if path.is_dir() and _code_below(path) is not None}
    given = {path for word in (*argv, *env.values()) for path in _existing(str(word), folders) if path.is_dir()}
    yield from sorted(given - looked_in)


def _named(argv: Sequence[str], env: Mapping[str, str], folders: Sequence[Path]) -> Iterator[NamedFile]:
    """Files, and folders that code is run from."""
    program, *words = map(str, argv)
    name = Path(program).name
    yield from (NamedFile(path) for path in _existing(program, folders) if path.is_file())
    for value in env.values():
        yield from (NamedFile(path, _looks_like_data(path)) for path in _existing(str(value), folders))
    reads = bool(_READER.fullmatch(name))
    interprets = bool(_INTERPRETER.fullmatch(name)) and not any(map(_INLINE.fullmatch, words))
    awaits_script = interprets and not _TAKES_SCRIPT_FIRST.fullmatch(name)
    after_option = False
    for word in words:
        is_plain = not word.startswith(("-", "@"))
        for path in _existing(word, folders):
            if path.is_dir():
                if not reads and (not is_plain or after_option or any((path / main).is_file() for main in _MAIN_FILES)):
                    yield NamedFile(path)
            elif not (reads and is_plain and "=" not in word):
                yield NamedFile(path, _looks_like_data(path) and not awaits_script)
                awaits_script = False
        after_option = word.startswith("-")
    yield from map(NamedFile, _implicit(name, words, folders))


def _implicit(program: str, words: Sequence[str], folders: Sequence[Path]) -> Iterator[Path]:
    """What is run though no word is its name: a Makefile, a module behind `-m`."""
    for name in _IMPLICIT.get(_SAME_FILES.get(program, program), ()):
        yield from (folder / name for folder in folders if (folder / name).is_file())
    if program.startswith(("python", "pypy")):
        for word, following in zip(words, (*words[1:], ""), strict=True):
            if match := _MODULE_OPTION.fullmatch(word):
                yield from (
                    path for folder in folders for path in python_files(folder, match[1] or following, main=True)
                )


def _existing(word: str, folders: Sequence[Path]) -> Iterator[Path]:
    """The files and folders that a word, or a piece of it, names."""
    pieces = [word, *_SEPARATORS.split(word)]
    pieces += [piece[2:] for piece in pieces if re.match("-[^-]", piece)]
    for piece in dict.fromkeys(filter(None, pieces)):
        endings = ("", *_BARE_SUFFIXES) if "/" in piece else ("",)
        for path in (folder / f"{piece}{ending}" for folder in folders for ending in endings):
            try:
                if (path.is_file() or path.is_dir()) and not _is_of_the_system(found := path.resolve()):
                    yield found
            except (OSError, ValueError, RuntimeError):  # a word need not be a valid file name
                continue


def _is_of_the_system(path: Path) -> bool:
    return any(map(path.is_relative_to, _SYSTEM)) or path == Path(path.anchor)


def _code_below(folder: Path) -> tuple[Path, ...] | None:
    """The files in the folder that look like code; None if it is too large to look at."""
    found: list[Path] = []
    entries = 0
    for above, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__pycache__")
        entries += len(folders) + len(names)
        found += [path.resolve() for name in sorted(names) if _looks_like_code(path := Path(above, name))]
        if entries > _MAX_ENTRIES or len(found) > _MAX_CODE_FILES:
            return None
    return tuple(found)


def _looks_like_code(path: Path) -> bool:
    return path.is_file() and (bool(_CODE_SUFFIX.fullmatch(path.suffix)) or path.name in _MAIN_FILES or is_script(path))


def _looks_like_data(path: Path) -> bool:
    return bool(_DATA_SUFFIX.fullmatch(path.suffix)) and path.is_file() and not is_script(path)
