"""What every agent on this machine finds: the program, extras, terminal, configuration, keys, gateways, consents."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from shutil import get_terminal_size

from runner import __version__
from runner.commands.doctor.gateways import check_default_server, check_embedded_model
from runner.commands.doctor.health_check import HealthCheck
from runner.config.agent import UserConfig
from runner.config.trust.store import TrustStore
from runner.config.user import load_user_config, user_config_path
from runner.core.errors import ConfigError
from runner.core.spelling import counted
from runner.gateways import CATALOGUE, GatewayPreset

EXTRAS = {"local": "xllamacpp", "mcp": "mcp"}
"""The optional dependencies, each with the package that it brings."""


def is_installed(extra: str) -> bool:
    return find_spec(EXTRAS[extra]) is not None


def check_machine() -> Iterator[HealthCheck]:
    """What holds for every agent."""
    python = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    yield HealthCheck("program", "agent-run", "ok", f"{__version__}, {python}")
    yield from _extras()
    yield from _terminal()
    user, configuration = _configuration()
    yield configuration
    yield from _rules(user)
    yield from _keys({**CATALOGUE, **user.gateways})
    yield check_default_server(user)
    yield check_embedded_model()
    yield from _consents()


def _rules(user: UserConfig) -> Iterator[HealthCheck]:
    """Rules for all agents that look like a misspelt built-in: they may still be about a tool of some agent."""
    from runner.config.validation.rule_names import misspelt_everywhere  # lazy: few have any

    for rule in (*user.permissions.deny, *user.permissions.ask, *user.permissions.allow):
        if problem := misspelt_everywhere(rule):
            yield HealthCheck("config", f"the rule {rule}", "wrong", problem.message, problem.hint)


def _extras() -> Iterator[HealthCheck]:
    for extra, package in EXTRAS.items():
        if is_installed(extra):
            yield HealthCheck("extras", extra, "ok", package)
        else:
            fix = f"pip install 'agent-run[{extra}]'"
            yield HealthCheck("extras", extra, "missing", f"{package} is not installed", fix)


def _terminal() -> Iterator[HealthCheck]:
    for name, stream in (("stdin", sys.stdin), ("stdout", sys.stdout), ("stderr", sys.stderr)):
        kind = "a terminal" if stream and stream.isatty() else "no terminal"
        yield HealthCheck("terminal", name, "ok", f"{kind}, {getattr(stream, 'encoding', None) or 'no encoding'}")
    size = get_terminal_size()
    dumb = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    colour = "off" if dumb or not (sys.stdout and sys.stdout.isatty()) else "on"
    yield HealthCheck("terminal", "screen", "ok", f"{size.columns} x {size.lines}, colour {colour}")


def _configuration() -> tuple[UserConfig, HealthCheck]:
    path = str(user_config_path(os.environ))
    try:
        user, _ = load_user_config()
    except ConfigError as error:
        says = "; ".join(str(problem) for problem in error.problems)
        return UserConfig(), HealthCheck("config", path, "wrong", says, blocks=error.exit_code)
    return user, HealthCheck("config", path, "ok", "is valid" if user.path else "is not there, which is fine")


def _keys(presets: Mapping[str, GatewayPreset]) -> Iterator[HealthCheck]:
    gateways: dict[str, list[str]] = {}
    for name, preset in presets.items():
        if preset.key_from:
            gateways.setdefault(preset.key_from, []).append(name)
    for variable, names in gateways.items():
        if os.environ.get(variable, "").strip():
            yield HealthCheck("keys", variable, "ok", f"set in the environment, for {', '.join(names)}")
        else:
            yield HealthCheck("keys", variable, "missing", f"not set, for {', '.join(names)}")


def _consents() -> Iterator[HealthCheck]:
    warnings: list[str] = []
    store = TrustStore(warnings.append)
    count = len(store.load_all())
    folder = str(store.folder)
    yield HealthCheck("trust", folder, "ok", f"{counted(count, 'file')} trusted")
    for warning in warnings:
        yield HealthCheck("trust", folder, "wrong", warning, "remove that record, and trust the file again")
