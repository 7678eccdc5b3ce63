"""What one agent file needs: that it is valid and trusted, the programs and servers of its tools, and its gateways."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace

from runner.commands.doctor.gateways import check_routes
from runner.commands.doctor.health_check import HealthCheck
from runner.commands.doctor.machine import is_installed
from runner.config.loader import load_agent
from runner.config.trust.trust import TrustStatus, trust_status
from runner.core.child_environment import child_environment, program_path
from runner.core.errors import ConfigError, ToolsUnavailable
from runner.core.spelling import counted
from runner.tools import Toolbox, ToolEntry, ToolSettings, open_toolbox
from runner.tools.catalogue import tool_kind_of
from runner.tools.trusted_files import TrustedFiles


def check_agent(path: str) -> Iterator[HealthCheck]:
    """What the agent needs besides the machine. A file that is wrong is a check, too.

    Nothing that the file names is started or contacted before the user has trusted it.
    """
    warnings: list[str] = []
    try:
        agent = load_agent(path)
        status = trust_status(agent, warnings.append)
    except ConfigError as error:
        for problem in error.problems:
            yield HealthCheck("agent", path, "wrong", str(problem), blocks=error.exit_code)
        return
    yield HealthCheck("agent", path, "ok", f"{agent.name}: {agent.gateway}/{agent.model}")
    for warning in warnings:
        yield HealthCheck("trust", path, "wrong", warning)
    yield _trust(path, status)
    for entry in agent.tools:
        yield from _requirements(entry)
    if status is not None and status.trusted:
        yield from _servers([entry for entry in agent.tools if tool_kind_of(entry).served], status.content.files)
    yield from check_routes(agent, status)


def _trust(path: str, status: TrustStatus | None) -> HealthCheck:
    if status is None:
        return HealthCheck("trust", path, "ok", "needs none")
    if status.trusted:
        return HealthCheck("trust", path, "ok", "trusted as it stands")
    says = "changed since it was trusted" if status.consent else "can execute or reach out, and is not trusted"
    return HealthCheck("trust", path, "missing", says, f"agent-run trust {path}", blocks=6)


def _requirements(entry: ToolEntry) -> Iterator[HealthCheck]:
    """What a tool needs besides: an optional dependency, and a program, which is looked for and not started."""
    kind = tool_kind_of(entry)
    if kind.extra and not is_installed(kind.extra):
        fix = f"pip install 'agent-run[{kind.extra}]'"
        yield HealthCheck("tools", entry.name, "missing", f"needs the extra {kind.extra}", fix, blocks=4)
    argv = kind.program(entry)
    if not argv:
        return
    program = str(argv[0])
    folder = entry.folder / str(entry.options.get("cwd", "."))
    environment = child_environment(os.environ, entry.options.get("env", {}))
    path = str(folder / program) if "/" in program else program_path(program, environment)
    if path and os.access(path, os.X_OK):
        yield HealthCheck("tools", entry.name, "ok", path)
    else:
        required = kind.served and entry.options.get("required", True)
        says = f"there is no program {program!r}" + ("" if required else "; calls of it will fail")
        blocks = 4 if required else 0
        yield HealthCheck("tools", entry.name, "missing", says, "install it, or correct its name", blocks)


def _servers(entries: Iterable[ToolEntry], trusted: TrustedFiles) -> Iterator[HealthCheck]:
    """Tool servers, started side by side, asked for their tools, and ended again."""
    with ExitStack() as stack:
        started: list[tuple[ToolEntry, list[str], Toolbox]] = []
        for entry in entries:
            if not is_installed(tool_kind_of(entry).extra):
                continue
            # One that is not required is opened as if it were, so that the reason why it does not start is told.
            required, notices = replace(entry, options={**entry.options, "required": True}), list[str]()
            toolbox = open_toolbox([required], ToolSettings(notify=notices.append, trusted=trusted))
            started.append((entry, notices, stack.enter_context(closing(toolbox))))
        for entry, notices, toolbox in started:
            yield from _server(entry, toolbox, notices)


def _server(entry: ToolEntry, toolbox: Toolbox, notices: Sequence[str]) -> Iterator[HealthCheck]:
    try:
        yield HealthCheck("servers", entry.name, "ok", f"answers with {counted(len(toolbox.specs), 'tool')}")
        for notice in notices:
            yield HealthCheck("servers", entry.name, "wrong", notice)
    except ToolsUnavailable as error:
        blocks = error.exit_code if entry.options.get("required", True) else 0
        says = " … ".join(filter(None, (error.what, error.why.rpartition("\n")[2])))
        yield HealthCheck("servers", entry.name, "missing", says, error.fix, blocks)
