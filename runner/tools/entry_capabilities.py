"""What entries that start a program or ask a server can do, in the words in which consent is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from runner.core.capability import Action, Capability, env_variables
from runner.tools.entry import ToolEntry

UNASKED = ("none", "read")
"""The effects of tools whose calls are not asked about."""


def program_capabilities(action: Action, argv: Sequence[Any], note: str, entry: ToolEntry) -> Iterator[Capability]:
    """A program is shown with all that the file gives it: the environment as it stands there, a folder, an input."""
    options = entry.options
    environment = entry.written.get("env") or dict.fromkeys(options.get("env", {}), "…")
    variables = [f"{name}={value}" for name, value in environment.items()]
    folder = f" in {options['cwd']}" if "cwd" in options else ""
    fed = f" fed with {_command_line([options['stdin']])}" if options.get("stdin") else ""
    program = _command_line([*variables, *argv]) + folder + fed + note + effects_note(entry)
    program += _unwatched_note(argv, entry)
    yield Capability(action, program, entry.where)
    for variable in env_variables(entry.written):
        yield Capability("send", f"{variable} to {argv[0]}", entry.where)


def server_capabilities(server: str, note: str, entry: ToolEntry) -> Iterator[Capability]:
    """A server that is asked, further hosts, and each variable of the environment that is sent there."""
    yield Capability("connect", server + note + effects_note(entry), entry.where)
    for host in entry.options.get("hosts", ()):
        yield Capability("connect", str(host), entry.where)
    for variable in env_variables(entry.written):
        yield Capability("send", f"{variable} to {server}", entry.where)


def effects_note(entry: ToolEntry) -> str:
    """A file's own word that its tool is harmless is shown, because calls are not asked about then."""
    effects = entry.options.get("effects")
    return f" (declared as {effects}: not asked about each time)" if effects in UNASKED else ""


def _unwatched_note(argv: Sequence[Any], entry: ToolEntry) -> str:
    """Of a folder that the program is given, and may run code from, only the name may be part of the consent."""
    from runner.tools.named_files import unwatched_folders  # lazy: only a file that runs something

    root = entry.folder.resolve()
    shown = [
        str(each.relative_to(root)) if each.is_relative_to(root) else str(each)
        for each in unwatched_folders(argv, entry)
    ]
    return f" (what is in {', '.join(shown)} may change unasked)" if shown else ""


def _command_line(argv: Sequence[Any]) -> str:
    """An argv as one would type it."""
    import shlex  # lazy: only a file that runs something

    return shlex.join(str(each) for each in argv)
