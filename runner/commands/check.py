"""What `check` does: the problems of files, and of all agents and transcripts in folders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import NamedTuple

from runner.config.agent import UserConfig
from runner.config.diagnostics import Diagnostic, sorted_diagnostics
from runner.config.loader import CheckedAgent, check_agent
from runner.config.paths import Tell, files_below, is_suite_name, is_transcript_name, path_kind, real_path
from runner.config.user import load_user_config
from runner.core.errors import ConfigError
from runner.core.files import open_regular

_TRANSCRIPT = re.compile(r"^(?:transcript|suite):", re.MULTILINE)
_AGENT = r"(?m)^(?:gateway|model|extends|system_prompt):"
_NEEDED = frozenset({"gateway: required, and missing", "model: required, and missing"})


class Checked(NamedTuple):
    """How many files were looked at, and every problem of them; `exit_code` if something could not be replayed."""

    files: int
    diagnostics: tuple[Diagnostic, ...]
    exit_code: int = 0

    @property
    def errors(self) -> int:
        """How many of the problems are errors, and not warnings."""
        return sum(diagnostic.severity == "error" for diagnostic in self.diagnostics)


def check_paths(
    paths: Sequence[str], environ: Mapping[str, str] | None = None, *, mutate: bool = False, trust: bool = False
) -> Checked:
    """Every problem of the files, and of those in the folders. Runs and imports nothing that they name.

    With `mutate`, recordings are altered and replayed if no file has an error, to find expectations that nothing
    breaks; `trust` consents to what the agents can execute then.
    """
    diagnostics: list[Diagnostic] = []
    try:
        user, _ = load_user_config(environ)
    except ConfigError as error:
        diagnostics += error.problems
        user = UserConfig()
    agents: dict[Path, CheckedAgent] = {}

    def tell(path: str, why: str) -> None:
        diagnostics.append(Diagnostic(path, 0, 0, why, severity="warning"))

    files = list(dict.fromkeys(file for path in paths for file in _files(Path(path), tell)))
    for file in files:
        if is_transcript(file):
            diagnostics += _transcript_diagnostics(file)
        else:
            agents[file] = check_agent(file, environ=environ, user=user, missing_variable="warning")
    extended_files = {real_path(file) for agent in agents.values() for file in agent.files[1:]}
    for file, agent in agents.items():
        # The diagnostics of an incomplete file come with those of the files that extend it.
        if not (real_path(file) in extended_files and _incomplete(agent)):
            diagnostics += agent.diagnostics
    checked = Checked(len(files), sorted_diagnostics(diagnostics))
    if mutate and not checked.errors:
        from runner.commands.check_mutations import unbreakable  # lazy: it replays

        transcripts = [file for file in files if is_transcript(file) and not is_suite_name(file.name)]
        found, exit_code = unbreakable(transcripts, trust=trust)
        known = {diagnostic.where for diagnostic in found}  # what could never fail is told of without a replay, too
        others = (each for each in checked.diagnostics if each.where not in known)
        return Checked(checked.files, sorted_diagnostics((*others, *found)), exit_code)
    return checked


def _incomplete(agent: CheckedAgent) -> bool:
    return any(diagnostic.message in _NEEDED for diagnostic in agent.diagnostics)


def _files(path: Path, tell: Tell) -> Iterator[Path]:
    """The file itself; or the agents and transcripts in a folder. `tell` gets what may be one and cannot be read."""
    if path_kind(path) != "folder":
        yield path
        return
    for file in files_below(path, tell):
        if is_transcript_name(file.name) or is_suite_name(file.name):
            yield file
        elif file.name.lower().endswith((".yaml", ".yml")):
            try:
                beginning = _beginning(file)
            except OSError as error:
                tell(str(file), f"not checked: {(error.strerror or str(error)).lower()}")
            else:
                if re.search(_AGENT, beginning) or _TRANSCRIPT.search(beginning):
                    yield file
        elif file.is_symlink() and not file.exists():
            tell(str(file), "not searched: the link leads nowhere")


def is_transcript(file: Path) -> bool:
    """It is meant as a transcript or a suite, by its name or what is in it."""
    if is_transcript_name(file.name) or is_suite_name(file.name):
        return True
    try:
        return bool(_TRANSCRIPT.search(_beginning(file)))
    except (OSError, ValueError):
        return False


def _beginning(file: Path) -> str:
    with TextIOWrapper(open_regular(file), "utf-8-sig", "replace") as text:
        return text.read(100_000)


def _transcript_diagnostics(file: Path) -> Iterable[Diagnostic]:
    from runner.transcripts.files.check import check_file  # lazy: only where a transcript is checked

    return check_file(file)
