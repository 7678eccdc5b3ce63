"""What an agent file can execute and reach, read off the file: nothing that it names is run, imported or contacted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from runner.config.agent import Agent
from runner.config.layers import Layers, chain
from runner.gateways import CATALOGUE, Row
from runner.tools import BUILT_INS, KINDS
from runner.tools.toolbox import Declared

KINDS_OF_DEED = ("run", "start", "import", "load", "write", "connect", "send", "allow")
_PLACEHOLDER = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)")
_ACTING = frozenset({"write", "exec"})


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that a file can do: `run`, `start`, `import`, `load`, `write`, `connect`, `send` or `allow`, and what.

    `host` is where a `send` goes, without scheme and port.
    """

    kind: str
    what: str
    where: str = field(default="", compare=False)
    host: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.kind:<8} {escaped(self.what)}"


@dataclass(frozen=True, slots=True)
class Reach:
    """Everything that a file and the agent files it names can do; false if that is nothing to ask about."""

    deeds: tuple[Deed, ...]

    def __bool__(self) -> bool:
        return bool(self.deeds)

    def __str__(self) -> str:
        return "\n".join(f"  {deed}" + (f"  ({escaped(deed.where)})" if deed.where else "") for deed in self.deeds)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that keys and other variables of the environment would be sent to."""
        return tuple(dict.fromkeys(deed.host for deed in self.deeds if deed.host))


def reach(agent: Agent) -> Reach:
    """What the file can do, the files of its `agent:` tools included. Raises ConfigError for one of these."""
    found = dict.fromkeys(deed for each in with_agents(agent) for deed in _deeds(each))
    rules = [deed for each in with_agents(agent) for deed in _rules(each)] if found else []
    return Reach(tuple(sorted((*found, *dict.fromkeys(rules)), key=lambda deed: KINDS_OF_DEED.index(deed.kind))))


def with_agents(agent: Agent) -> tuple[Agent, ...]:
    """The agent, and each agent file that it or another of them names as a tool, once. Raises ConfigError."""
    found = {agent.path.resolve(): agent}
    waiting = [agent]
    while waiting:
        for declared in waiting.pop().tools:
            if declared.kind == "agent" and (path := agent_file(declared)).resolve() not in found:
                from runner.config.loader import load_agent  # lazy: few agents have others as tools

                found[path.resolve()] = another = load_agent(path)
                waiting.append(another)
    return tuple(found.values())


def agent_file(declared: Declared) -> Path:
    """The file of an `agent:` tool."""
    return declared.base / str(declared.options["file"])


def escaped(text: str) -> str:
    """One line in which nothing moves a cursor, reorders what is read, or hides."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape", "backslashreplace").decode() for each in text
    )


def origin(url: str) -> str:
    """Scheme, host and port of a url; the whole of one that cannot be taken apart, without a password."""
    try:
        parts = urlsplit(url)
        place = parts.netloc.rpartition("@")[2]
    except ValueError:
        return url.rpartition("@")[2]
    return f"{parts.scheme}://{place}" if place else url


def _deeds(agent: Agent) -> Iterator[Deed]:
    raw = _Raw(agent.path)
    for name, model in ((agent.gateway, agent.model), *((each.gateway, each.model) for each in agent.fallback)):
        yield from _gateway(agent, name, raw)
        if model.endswith(".gguf") and not model.startswith("hf:"):
            yield Deed("load", f"the model file {model}", agent.place("model"))
    for index, declared in enumerate(agent.tools):
        deeds = _TOOLS.get("files" if declared.name == "files" else declared.kind)
        if deeds is not None:
            yield from deeds(declared, lambda index=index: raw.variables("tools", index))


def _rules(agent: Agent) -> Iterator[Deed]:
    for rule in agent.permissions.allow:
        yield Deed("allow", f"{rule} without asking each time", agent.place("permissions"))


@dataclass
class _Raw:
    """The file as it is written, placeholders unfilled; read when something is asked of it."""

    path: Path

    @cached_property
    def _value(self) -> Any:
        return Layers.of(tuple(chain(self.path))).value

    def gateways(self) -> Mapping[str, Any]:
        """The rows under `gateways:` in the file itself, not in the user's own."""
        rows = self._value.get("gateways")
        return rows if isinstance(rows, dict) else {}

    def variables(self, *keys: str | int) -> tuple[str, ...]:
        """The variables of the environment that fill places under the keys."""
        value = self._value
        try:
            for key in keys:
                value = value[key]
        except (KeyError, IndexError, TypeError):  # it stands on the command line: the user wrote it
            return ()
        return tuple(dict.fromkeys(name for text in _texts(value) for name in _PLACEHOLDER.findall(text)))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


_Variables = Callable[[], tuple[str, ...]]


def _gateway(agent: Agent, name: str, raw: _Raw) -> Iterator[Deed]:
    row = agent.gateways.get(name)
    if row is None or row == CATALOGUE.get(name) or name not in raw.gateways():
        return
    from runner.gateways.keys import address, host_of  # lazy: most agents ask a server of the catalogue

    url = address(row)
    sent = tuple(dict.fromkeys((*filter(None, [row.key_from]), *raw.variables("gateways", name))))
    if url and not (_is_known(row, url) and set(sent) <= {row.key_from}):
        yield Deed("connect", f"{origin(url)} (the model's gateway {name})", agent.place("gateways"))
        for variable in sent:
            yield _sends(variable, origin(url), agent.place("gateways"), host_of(url))


def _is_known(row: Row, url: str) -> bool:
    """A row of the file that only sends a service's own key to that service."""
    return any(
        origin(known.url) == origin(url) and row.key_from in ("", known.key_from) for known in CATALOGUE.values()
    )


def _sends(variable: str, to: str, where: str, host: str = "") -> Deed:
    return Deed("send", f"{variable} to {to}", where, host)


def _builtin(declared: Declared, variables: _Variables) -> Iterator[Deed]:
    if declared.name not in BUILT_INS and declared.name not in KINDS:
        yield Deed("import", f"the tool {declared.name} of an installed package", declared.where)


def _files(declared: Declared, variables: _Variables) -> Iterator[Deed]:
    if declared.options.get("write"):
        yield Deed("write", f"files under {declared.options.get('root', '.')}", declared.where)


def _python(declared: Declared, variables: _Variables) -> Iterator[Deed]:
    yield Deed("import", str(declared.options.get("function", declared.name)), declared.where)


def _command(declared: Declared, variables: _Variables) -> Iterator[Deed]:
    options = declared.options
    effects = options.get("effects", "exec")
    declares = "" if effects in _ACTING else f" (declared as {effects}: not asked about each time)"
    yield Deed("run", command_line(options["run"]) + declares, declared.where)
    for variable in variables():
        yield _sends(variable, str(options["run"][0]), declared.where)


def _http(declared: Declared, variables: _Variables) -> Iterator[Deed]:
    options = declared.options
    yield from _remote(str(options["url"]), f" ({options.get('method', 'GET')})", declared, variables)
    for host in options.get("hosts", ()):
        yield Deed("connect", str(host), declared.where)


def _openapi(declared: Declared, variables: _Variables) -> Iterator[Deed]:
    options = declared.options
    url = options.get("url")
    yield from _remote(str(url or f"the servers that {options['spec']} names"), "", declared, variables)
    for host in options.get("hosts", ()):
        yield Deed("connect", str(host), declared.where)


def _mcp(declared: Declared, variables: _Variables) -> Iterator[Deed]:
    server = f" (the MCP server {declared.name})"
    if command := declared.options.get("command"):
        yield Deed("start", command_line(command) + server, declared.where)
        for variable in variables():
            yield _sends(variable, str(command[0]), declared.where)
    else:
        yield from _remote(str(declared.options["url"]), server, declared, variables)


def _remote(url: str, note: str, declared: Declared, variables: _Variables) -> Iterator[Deed]:
    yield Deed("connect", origin(url) + note, declared.where)
    for variable in variables():
        yield _sends(variable, origin(url), declared.where)


def command_line(argv: Sequence[Any]) -> str:
    """An argv as one would type it."""
    import shlex  # lazy: only a file that runs something

    return shlex.join(str(each) for each in argv)


_TOOLS: Mapping[str, Callable[[Declared, _Variables], Iterator[Deed]]] = {
    "builtin": _builtin,
    "files": _files,
    "python": _python,
    "command": _command,
    "http": _http,
    "openapi": _openapi,
    "mcp": _mcp,
}
