"""What is here and what is missing for agents to run: findings that show no secret.

Nothing that a file names is started or contacted before the user has trusted the file.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from runner import __version__
from runner.config.agent import Agent, User
from runner.core.errors import AgentRunError, ConfigError, GatewayError, ModelMissing, ToolsUnavailable, UsageError
from runner.core.policy import Timeouts
from runner.gateways import CATALOGUE, GatewayPreset, connect
from runner.tools.catalogue import tool_kind_of

if TYPE_CHECKING:
    from runner.config.trust.trust import TrustStatus
    from runner.tools import Toolbox, ToolEntry

EXTRAS = {"local": "xllamacpp", "mcp": "mcp"}
_SOON = Timeouts(connect=2, first_token=3, gap=3)
_LISTS = {"openai": "/models", "responses": "/models", "gemini": "/models", "ollama": "/api/tags"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `blocks` is the exit code of an agent that cannot run for it, or 0."""

    topic: str
    name: str
    state: Literal["ok", "missing", "wrong"]
    says: str
    fix: str = ""
    blocks: int = 0


def of_machine() -> Iterator[Finding]:
    """What holds for every agent."""
    python = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    yield Finding("program", "agent-run", "ok", f"{__version__}, {python}")
    yield from _extras()
    yield from _terminal()
    user, wrong = _user()
    yield wrong or _configuration(user)
    presets = {**CATALOGUE, **user.gateways}
    yield from _keys(presets)
    yield _answers("ollama", user)
    yield _embedded()
    yield from _trusted()


def of_agent(path: str) -> Iterator[Finding]:
    """What one agent file needs besides. Raises nothing: a file that is wrong is a finding."""
    from runner.config.loader import load_agent  # lazy: without a file, nothing is loaded
    from runner.config.trust.trust import trust_status  # lazy, likewise

    doubts: list[str] = []
    try:
        agent = load_agent(path)
        status = trust_status(agent, doubts.append)
    except ConfigError as error:
        for problem in error.problems:
            yield Finding("agent", path, "wrong", str(problem), blocks=error.exit_code)
        return
    yield Finding("agent", path, "ok", f"{agent.name}: {agent.gateway}/{agent.model}")
    for doubt in doubts:
        yield Finding("trust", path, "wrong", doubt)
    yield _trust(path, status)
    for entry in agent.tools:
        yield from _tool(entry)
    if status is not None and status.trusted:
        yield from _servers([entry for entry in agent.tools if tool_kind_of(entry).served])
    yield from _routes(agent, status)


def _extras() -> Iterator[Finding]:
    from importlib.util import find_spec  # lazy: nobody else looks

    for extra, package in EXTRAS.items():
        if find_spec(package):
            yield Finding("extras", extra, "ok", package)
        else:
            yield Finding(
                "extras", extra, "missing", f"{package} is not installed", f"pip install 'agent-run[{extra}]'"
            )


def _terminal() -> Iterator[Finding]:
    from shutil import get_terminal_size  # lazy, as above

    for name, stream in (("stdin", sys.stdin), ("stdout", sys.stdout), ("stderr", sys.stderr)):
        place = "a terminal" if stream and stream.isatty() else "no terminal"
        yield Finding("terminal", name, "ok", f"{place}, {getattr(stream, 'encoding', None) or 'no encoding'}")
    size = get_terminal_size()
    dumb = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    colour = "off" if dumb or not (sys.stdout and sys.stdout.isatty()) else "on"
    yield Finding("terminal", "screen", "ok", f"{size.columns} x {size.lines}, colour {colour}")


def _user() -> tuple[User, Finding | None]:
    from runner.config.user import load_user, user_file  # lazy, as above

    try:
        return load_user()[0], None
    except ConfigError as error:
        says = "; ".join(str(problem) for problem in error.problems)
        wrong = Finding("config", str(user_file(os.environ)), "wrong", says, blocks=error.exit_code)
        return User(), wrong


def _configuration(user: User) -> Finding:
    from runner.config.user import user_file  # lazy, as above

    path = str(user_file(os.environ))
    return Finding("config", path, "ok", "is valid" if user.path else "is not there, which is fine")


def _keys(presets: Mapping[str, GatewayPreset]) -> Iterator[Finding]:
    names: dict[str, list[str]] = {}
    for name, preset in presets.items():
        if preset.key_from:
            names.setdefault(preset.key_from, []).append(name)
    for variable, gateways in names.items():
        yield _key(variable, ", ".join(gateways))


def _key(variable: str, gateway: str) -> Finding:
    if os.environ.get(variable, "").strip():
        return Finding("keys", variable, "ok", f"set in the environment, for {gateway}")
    return Finding("keys", variable, "missing", f"not set, for {gateway}")


def _trusted() -> Iterator[Finding]:
    from runner.config.trust.store import TrustStore  # lazy, as above

    doubts: list[str] = []
    store = TrustStore(doubts.append)
    count = len(store.load_all())
    yield Finding("trust", str(store.folder), "ok", f"{count} {'file' if count == 1 else 'files'} trusted")
    for doubt in doubts:
        yield Finding("trust", str(store.folder), "wrong", doubt, "remove that record, and trust the file again")


def _embedded() -> Finding:
    from runner.gateways.local.models import KNOWN, find  # lazy, as above

    model = next(iter(KNOWN))
    try:
        return Finding("gateways", f"local/{model}", "ok", str(find(model)))
    except ModelMissing as error:
        return Finding("gateways", f"local/{model}", "missing", error.what, error.fix)


def _answers(name: str, user: User) -> Finding:
    """Whether a server is there, and how many models it lists."""
    try:
        gateway = connect(name, user.gateways, hosts=user.hosts)
        return Finding("gateways", name, "ok", f"{gateway.where}, {_listed(gateway)}")
    except AgentRunError as error:
        return Finding("gateways", name, "missing", error.what, error.fix)


def _listed(gateway: object) -> str:
    """Ask a server for its models: that it answers tells that it is there and takes the key. Raises GatewayError."""
    from runner.gateways.http.gateway import Remote  # lazy, as above

    if not isinstance(gateway, Remote) or gateway.dialect not in _LISTS:
        return "not contacted"
    found = gateway.wire.get(_LISTS[gateway.dialect], timeouts=_SOON)
    models = (found.get("models") or found.get("data")) if isinstance(found, dict) else None
    count = len(models) if isinstance(models, list) else 0
    return f"{count} {'model' if count == 1 else 'models'}"


def _trust(path: str, status: TrustStatus | None) -> Finding:
    if status is None:
        return Finding("trust", path, "ok", "needs none")
    if status.trusted:
        return Finding("trust", path, "ok", "trusted as it stands")
    says = "changed since it was trusted" if status.consent else "can execute or reach out, and is not trusted"
    return Finding("trust", path, "missing", says, f"agent-run trust {path}", blocks=6)


def _tool(entry: ToolEntry) -> Iterator[Finding]:
    """What a tool needs besides: an optional dependency, and a program, which is looked for and not started."""
    kind = tool_kind_of(entry)
    if kind.extra and not _is_installed(kind.extra):
        says = f"needs the extra {kind.extra}"
        yield Finding("tools", entry.name, "missing", says, f"pip install 'agent-run[{kind.extra}]'", blocks=4)
    argv = kind.program(entry)
    if not argv:
        return
    from runner.tools.child_environment import child_environment, program_path  # lazy, as above

    program = str(argv[0])
    folder = entry.base / str(entry.options.get("cwd", "."))
    environment = child_environment(os.environ, entry.options.get("env", {}))
    found = str(folder / program) if "/" in program else program_path(program, environment)
    if found and os.access(found, os.X_OK):
        yield Finding("tools", entry.name, "ok", found)
    else:
        needed = kind.served and entry.options.get("required", True)
        says = f"there is no program {program!r}" + ("" if needed else "; calls of it will fail")
        yield Finding("tools", entry.name, "missing", says, "install it, or correct its name", 4 if needed else 0)


def _is_installed(extra: str) -> bool:
    from importlib.util import find_spec  # lazy, as above

    return find_spec(EXTRAS[extra]) is not None


def _servers(servers: Iterable[ToolEntry]) -> Iterator[Finding]:
    """Servers, started side by side, asked for their tools, and ended again."""
    servers = [entry for entry in servers if _is_installed(tool_kind_of(entry).extra)]
    from runner.tools import ToolSettings, open_toolbox  # lazy, as above

    with ExitStack() as ending:
        asked = []
        for each in servers:
            # One that may be missing is asked for as if it might not, so that its reason is told.
            wanted, told = replace(each, options={**each.options, "required": True}), list[str]()
            toolbox = open_toolbox([wanted], ToolSettings(notify=told.append))
            asked.append((each, told, ending.enter_context(closing(toolbox))))
        for each, told, toolbox in asked:
            yield from _served(each, toolbox, told)


def _served(server: ToolEntry, toolbox: Toolbox, told: Sequence[str]) -> Iterator[Finding]:
    try:
        count = len(toolbox.specs)
        yield Finding("servers", server.name, "ok", f"answers with {count} {'tool' if count == 1 else 'tools'}")
        for each in told:
            yield Finding("servers", server.name, "wrong", each)
    except ToolsUnavailable as error:
        blocks = error.exit_code if server.options.get("required", True) else 0
        says = " … ".join(filter(None, (error.what, error.why.rpartition("\n")[2])))
        yield Finding("servers", server.name, "missing", says, error.fix, blocks)


def _routes(agent: Agent, status: TrustStatus | None) -> Iterator[Finding]:
    """The agent's gateways with its models; one that answers is enough."""
    if status and not status.trusted and any(capability.action == "connect" for capability in status.capabilities):
        yield Finding("routes", agent.gateway, "missing", "not contacted before the file is trusted")
        return
    from runner.config.trust.trust import consented_hosts  # lazy, as above

    hosts = (*agent.user.hosts, *consented_hosts(agent))
    routes = [(agent.gateway, agent.model), *((each.gateway, each.model) for each in agent.fallback)]
    findings = [_route(agent, name, model, hosts) for name, model in routes]
    dead = all(finding.state != "ok" for finding in findings)
    for finding in findings:
        yield Finding("routes", finding.name, finding.state, finding.says, finding.fix, 4 if dead else 0)


def _route(agent: Agent, name: str, model: str, hosts: tuple[str, ...]) -> Finding:
    whole = f"{name}/{model}"
    preset = agent.gateways.get(name, CATALOGUE.get(name))
    if preset is not None and preset.dialect == "scripted":
        return Finding("routes", whole, "ok", "answers from the file")
    try:
        gateway = connect(name, agent.gateways, hosts=hosts)
        listed = _listed(gateway)
        window = gateway.capabilities(model).window
        return Finding("routes", whole, "ok", f"{gateway.where}, {listed}, window {window or 'not known'}")
    except (GatewayError, UsageError) as error:
        return Finding("routes", whole, "missing", f"{error.what} {error.why}".strip(), error.fix)
