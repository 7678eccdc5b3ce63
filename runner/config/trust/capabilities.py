"""What one agent file can do, read off its own text: each thing a Deed. A tool of an unknown kind can do anything."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from runner.config.agent import Agent
from runner.config.layers import Layers, chain
from runner.gateways import CATALOGUE, DIALECTS, Row
from runner.tools import BUILT_INS
from runner.tools.toolbox import Declared

KINDS_OF_DEED = ("run", "start", "import", "load", "write", "read", "connect", "send", "allow")
_PLACEHOLDER = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)")
# A url whose host no variable reaches into: it begins with the only one, or its host ends before the first.
_SETTLED = re.compile(r"\$\{env:[^}]*\}[^$]*$|https?://[^/?#\\$]+[/?#]")


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that a file can do: its kind, a word of KINDS_OF_DEED, and what.

    `host` is where a `send` goes, without scheme and port.
    """

    kind: str
    what: str
    where: str = ""
    host: str = ""

    def __str__(self) -> str:
        return f"{self.kind:<8} {escaped(self.what)}"


def deeds(agent: Agent) -> Iterator[Deed]:
    """What the file itself can do, in its order; not what the agents that it names can."""
    written = _Written(agent.path)
    for name, model in ((agent.gateway, agent.model), *((each.gateway, each.model) for each in agent.fallback)):
        yield from _gateway(agent, name, written)
        yield from _weights(agent, name, model)
    for index, declared in enumerate(agent.tools):
        if declared.kind in _TOOLS:
            yield from _TOOLS[declared.kind](declared, partial(written.at, "tools", index, declared.kind))
        elif declared.kind == "files":
            yield from _files(declared, agent.path.parent)
        elif declared.kind != "agent":
            yield Deed("run", f"whatever a tool of the kind {declared.kind} does", declared.where)


def rules(agent: Agent) -> Iterator[Deed]:
    """What the file spares its tools from being asked about; of interest where these can do anything."""
    from runner.tools.permissions import parse_rule  # lazy: most files allow nothing

    for rule in agent.permissions.allow:
        if parse_rule(rule).names_one:
            yield Deed("allow", f"{rule} without asking each time", agent.place("permissions"))


def escaped(text: str) -> str:
    """One line in which nothing moves a cursor, reorders what is read, or hides."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def origin(url: str) -> str:
    """Scheme, host and port of a url; the whole of one that cannot be taken apart, without a password."""
    try:
        parts = urlsplit(url)
        place = parts.netloc.rpartition("@")[2]
    except ValueError:
        return url.rpartition("@")[2]
    return f"{parts.scheme}://{place}" if place else url


@dataclass
class _Written:
    """The file as it is written, placeholders unfilled; read when something is asked of it."""

    path: Path

    def at(self, *keys: str | int) -> Mapping[str, Any]:
        """The mapping that stands there; an empty one for what the command line or the user's own file added."""
        value = self._value
        try:
            for key in keys:
                value = value[key]
        except (KeyError, IndexError, TypeError):
            return {}
        return value if isinstance(value, dict) else {}

    @cached_property
    def _value(self) -> Any:
        return Layers.of(tuple(chain(self.path))).value


_Look = Callable[[], Mapping[str, Any]]


def _variables(value: Any) -> dict[str, None]:
    """The variables of the environment that fill places in a value of the file, in order."""
    return dict.fromkeys(name for text in _texts(value) for name in _PLACEHOLDER.findall(text))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def _gateway(agent: Agent, name: str, written: _Written) -> Iterator[Deed]:
    row, where = agent.gateways.get(name, CATALOGUE.get(name)), agent.place("gateways")
    if row is None or row.dialect not in DIALECTS:
        yield Deed("import", f"the gateway {name} of an installed package", agent.place("gateway"))
    if row is None or row == CATALOGUE.get(name) or not (own := written.at("gateways", name)):
        return
    from runner.gateways.http.credentials import address, host_of  # lazy: most agents ask a server of the catalogue

    url, ca = address(row), row.quirks.get("ca_bundle")
    sent = dict.fromkeys(filter(None, [row.key_from])) | _variables(own)
    if url and (ca or not _is_known(row, url) or sent.keys() - {row.key_from}):
        place, authorities = _place(url, own), f", by the authorities in {ca}" if ca else ""
        yield Deed("connect", f"{place} (the model's gateway {name}{authorities})", where)
        for variable in sent:
            yield Deed("send", f"{variable} to {place}", where, host_of(url))


def _is_known(row: Row, url: str) -> bool:
    """A row of the file that only sends a service's own key to that service."""
    return any(
        origin(known.url) == origin(url) and row.key_from in ("", known.key_from) for known in CATALOGUE.values()
    )


def _weights(agent: Agent, gateway: str, model: str) -> Iterator[Deed]:
    row, where = agent.gateways.get(gateway, CATALOGUE.get(gateway)), agent.place("model")
    typed = where.startswith("--")
    if (
        row is not None
        and row.dialect == "local"
        and model.endswith(".gguf")
        and not (typed or model.startswith("hf:"))
    ):
        yield Deed("load", f"the model file {model}", where)


def _builtin(declared: Declared, written: _Look) -> Iterator[Deed]:
    if declared.name not in BUILT_INS:
        yield Deed("import", f"the tool {declared.name} of an installed package", declared.where)


def _files(declared: Declared, home: Path) -> Iterator[Deed]:
    """Reading what lies beside the agent is nothing to ask about; the user's own environment may lead elsewhere."""
    root, home = (declared.base / declared.options["root"]).resolve(), home.resolve()
    outside = not root.is_relative_to(home)
    if outside or declared.options.get("write"):
        kind = "write" if declared.options.get("write") else "read"
        yield Deed(kind, f"files under {root if outside else root.relative_to(home)}", declared.where)


def _python(declared: Declared, written: _Look) -> Iterator[Deed]:
    yield Deed("import", str(declared.options["function"]), declared.where)


def _command(declared: Declared, written: _Look) -> Iterator[Deed]:
    yield from _program("run", declared.options["run"], "", declared, written)


def _mcp(declared: Declared, written: _Look) -> Iterator[Deed]:
    note = f" (the MCP server {declared.name})"
    if command := declared.options.get("command"):
        yield from _program("start", command, note, declared, written)
    else:
        yield from _remote(note, declared, written)


def _http(declared: Declared, written: _Look) -> Iterator[Deed]:
    yield from _remote(f" ({declared.options.get('method', 'GET')})", declared, written)


def _openapi(declared: Declared, written: _Look) -> Iterator[Deed]:
    yield from _remote("", declared, written)


def _program(kind: str, argv: Sequence[Any], note: str, declared: Declared, written: _Look) -> Iterator[Deed]:
    """A program is shown with all that the file gives it: the environment as it stands there, a folder, an input."""
    options, entry = declared.options, written()
    environment = entry.get("env") or dict.fromkeys(options.get("env", {}), "…")
    given = [f"{name}={value}" for name, value in environment.items()]
    folder = f" in {options['cwd']}" if "cwd" in options else ""
    fed = f" fed with {_command_line([options['stdin']])}" if options.get("stdin") else ""
    yield Deed(kind, _command_line([*given, *argv]) + folder + fed + note + _unasked(declared), declared.where)
    for variable in _variables(entry):
        yield Deed("send", f"{variable} to {argv[0]}", declared.where)


def _remote(note: str, declared: Declared, written: _Look) -> Iterator[Deed]:
    options, entry = declared.options, written()
    place = _place(options["url"], entry) if "url" in options else _described(declared)
    yield Deed("connect", place + note + _unasked(declared), declared.where)
    for host in options.get("hosts", ()):
        yield Deed("connect", str(host), declared.where)
    for variable in _variables(entry):
        yield Deed("send", f"{variable} to {place}", declared.where)


def _unasked(declared: Declared) -> str:
    """A file's own word that its tool is harmless is told, because calls are not asked about then."""
    effects = declared.options.get("effects")
    return f" (declared as {effects}: not asked about each time)" if effects in ("none", "read") else ""


def _described(declared: Declared) -> str:
    """The server of an OpenAPI document; one that cannot be read gives no tools later on."""
    from runner.tools.kinds.openapi import server  # lazy: few agents have one

    try:
        return origin(server(declared.base / declared.options["spec"]))
    except ValueError:
        return f"what {declared.options['spec']} describes"


def _place(url: str, written: Mapping[str, Any]) -> str:
    """Where a url leads, without the values of the environment in it, which may be secrets.

    It is shown whole, as it stands in the file, where a variable has a say in its host besides being all of its
    beginning: no part of it could then be left out without hiding where it leads.
    """
    text = str(written.get("url", url))
    if "${" not in text:
        return origin(url)
    return origin(url) if _SETTLED.match(text) and "://" in url else text


def _command_line(argv: Sequence[Any]) -> str:
    """An argv as one would type it."""
    import shlex  # lazy: only a file that runs something

    return shlex.join(str(each) for each in argv)


_TOOLS: Mapping[str, Callable[[Declared, _Look], Iterator[Deed]]] = {
    "builtin": _builtin,
    "python": _python,
    "command": _command,
    "http": _http,
    "openapi": _openapi,
    "mcp": _mcp,
}
