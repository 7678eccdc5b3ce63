"""What an agent file can execute and reach, read off its text: nothing that it names is run, imported or contacted.

A tool of an unknown kind can do anything.
"""

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
from runner.core.capability import ACTIONS, Action, Capability
from runner.core.sanitize import escape_line
from runner.gateways import CATALOGUE, DIALECTS, GatewayPreset
from runner.tools import BUILT_INS
from runner.tools.entry import ToolEntry

_PLACEHOLDER = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)")
# A url whose host no variable reaches into: it begins with the only one, or its host ends before the first.
_FIXED_HOST = re.compile(r"\$\{env:[^}]*\}[^$]*$|https?://[^/?#\\$]+[/?#]")


@dataclass(frozen=True, slots=True)
class CapabilitySet:
    """Everything that an agent file and the agent files it names can do; false if that is nothing to ask about.

    `agents` are the agent itself and those others, each once.
    """

    items: tuple[Capability, ...]
    agents: tuple[Agent, ...]

    def __bool__(self) -> bool:
        return bool(self.items)

    def __iter__(self) -> Iterator[Capability]:
        return iter(self.items)

    def __str__(self) -> str:
        return "\n".join(
            f"  {capability}" + (f"  ({escape_line(capability.where)})" if capability.where else "")
            for capability in self
        )

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that keys and other variables of the environment would be sent to."""
        return tuple(dict.fromkeys(capability.host for capability in self if capability.host))


def capabilities_of(agent: Agent) -> CapabilitySet:
    """What the file can do, the files of its `agent:` tools included. Raises ConfigError for one of these."""
    agents = _with_agent_tools(agent)
    capabilities = [capability for each in agents for capability in _of_file(each)]
    if capabilities:
        capabilities += [capability for each in agents for capability in _preapproved_calls(each)]
    in_order = sorted(dict.fromkeys(capabilities), key=lambda capability: ACTIONS.index(capability.action))
    return CapabilitySet(tuple(in_order), agents)


def _with_agent_tools(agent: Agent) -> tuple[Agent, ...]:
    agents = {agent.path.resolve(): agent}
    waiting = [agent]
    while waiting:
        for path in _agent_files(waiting.pop()):
            if path.resolve() not in agents:
                from runner.config.loader import load_agent  # lazy: few agents have others as tools

                agents[path.resolve()] = another = load_agent(path, user=agent.user)
                waiting.append(another)
    return tuple(agents.values())


def _agent_files(agent: Agent) -> Iterator[Path]:
    return (tool.base / str(tool.options["file"]) for tool in agent.tools if tool.kind == "agent")


def _of_file(agent: Agent) -> Iterator[Capability]:
    """What the file itself can do, in its order; not what the agents that it names can."""
    raw = _RawFile(agent.path)
    for name, model in ((agent.gateway, agent.model), *((each.gateway, each.model) for each in agent.fallback)):
        yield from _gateway(agent, name, raw)
        yield from _weights(agent, name, model)
    for index, declared in enumerate(agent.tools):
        if declared.kind in _TOOLS:
            yield from _TOOLS[declared.kind](declared, partial(raw.mapping, "tools", index, declared.kind))
        elif declared.kind == "files":
            yield from _files(declared, agent.path.parent)
        elif declared.kind != "agent":
            yield Capability("run", f"whatever a tool of the kind {declared.kind} does", declared.where)


def _preapproved_calls(agent: Agent) -> Iterator[Capability]:
    """The calls that the file allows without a question; of interest where its tools can do anything."""
    from runner.tools.permissions import parse_rule  # lazy: most files allow nothing

    for rule in agent.permissions.allow:
        if parse_rule(rule).names_one:
            yield Capability("allow", f"{rule} without asking each time", agent.location("permissions"))


def origin(url: str) -> str:
    """Scheme, host and port of a url; the whole of one that cannot be taken apart, without a password."""
    try:
        parts = urlsplit(url)
        place = parts.netloc.rpartition("@")[2]
    except ValueError:
        return url.rpartition("@")[2]
    return f"{parts.scheme}://{place}" if place else url


@dataclass
class _RawFile:
    """The file before its placeholders are filled; read when something is asked of it."""

    path: Path

    def mapping(self, *keys: str | int) -> Mapping[str, Any]:
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


_RawEntry = Callable[[], Mapping[str, Any]]


def _variables(value: Any) -> dict[str, None]:
    """The variables of the environment that fill places in a value of the file, in order."""
    return dict.fromkeys(name for text in _strings(value) for name in _PLACEHOLDER.findall(text))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _strings(each)


def _gateway(agent: Agent, name: str, raw: _RawFile) -> Iterator[Capability]:
    preset, where = agent.gateways.get(name, CATALOGUE.get(name)), agent.location("gateways")
    if preset is None or preset.dialect not in DIALECTS:
        yield Capability("import", f"the gateway {name} of an installed package", agent.location("gateway"))
    if preset is None or preset == CATALOGUE.get(name) or not (own := raw.mapping("gateways", name)):
        return
    from runner.gateways.http.credentials import address, host_of  # lazy: most agents ask a server of the catalogue

    url, ca = address(preset), preset.quirks.get("ca_bundle")
    sent = dict.fromkeys(filter(None, [preset.key_from])) | _variables(own)
    if url and (ca or not _is_known(preset, url) or sent.keys() - {preset.key_from}):
        place, authorities = _destination(url, own), f", by the authorities in {ca}" if ca else ""
        yield Capability("connect", f"{place} (the model's gateway {name}{authorities})", where)
        for variable in sent:
            yield Capability("send", f"{variable} to {place}", where, host_of(url))


def _is_known(preset: GatewayPreset, url: str) -> bool:
    """A preset of the file that only sends a service's own key to that service."""
    return any(
        origin(known.url) == origin(url) and preset.key_from in ("", known.key_from) for known in CATALOGUE.values()
    )


def _weights(agent: Agent, gateway: str, model: str) -> Iterator[Capability]:
    preset, where = agent.gateways.get(gateway, CATALOGUE.get(gateway)), agent.location("model")
    typed = where.startswith("--")
    if (
        preset is not None
        and preset.dialect == "local"
        and model.endswith(".gguf")
        and not (typed or model.startswith("hf:"))
    ):
        yield Capability("load", f"the model file {model}", where)


def _builtin(declared: ToolEntry, raw: _RawEntry) -> Iterator[Capability]:
    if declared.name not in BUILT_INS:
        yield Capability("import", f"the tool {declared.name} of an installed package", declared.where)


def _files(declared: ToolEntry, home: Path) -> Iterator[Capability]:
    """Reading what lies beside the agent is nothing to ask about; the user's own environment may lead elsewhere."""
    root, home = (declared.base / declared.options["root"]).resolve(), home.resolve()
    outside = not root.is_relative_to(home)
    if outside or declared.options.get("write"):
        action: Action = "write" if declared.options.get("write") else "read"
        yield Capability(action, f"files under {root if outside else root.relative_to(home)}", declared.where)


def _python(declared: ToolEntry, raw: _RawEntry) -> Iterator[Capability]:
    yield Capability("import", str(declared.options["function"]), declared.where)


def _command(declared: ToolEntry, raw: _RawEntry) -> Iterator[Capability]:
    yield from _program("run", declared.options["run"], "", declared, raw)


def _mcp(declared: ToolEntry, raw: _RawEntry) -> Iterator[Capability]:
    note = f" (the MCP server {declared.name})"
    if command := declared.options.get("command"):
        yield from _program("start", command, note, declared, raw)
    else:
        yield from _remote(note, declared, raw)


def _http(declared: ToolEntry, raw: _RawEntry) -> Iterator[Capability]:
    yield from _remote(f" ({declared.options.get('method', 'GET')})", declared, raw)


def _openapi(declared: ToolEntry, raw: _RawEntry) -> Iterator[Capability]:
    yield from _remote("", declared, raw)


def _program(
    action: Action, argv: Sequence[Any], note: str, declared: ToolEntry, raw: _RawEntry
) -> Iterator[Capability]:
    """A program is shown with all that the file gives it: the environment as it stands there, a folder, an input."""
    options, entry = declared.options, raw()
    environment = entry.get("env") or dict.fromkeys(options.get("env", {}), "…")
    given = [f"{name}={value}" for name, value in environment.items()]
    folder = f" in {options['cwd']}" if "cwd" in options else ""
    fed = f" fed with {_command_line([options['stdin']])}" if options.get("stdin") else ""
    program = _command_line([*given, *argv]) + folder + fed + note + _effects_note(declared)
    yield Capability(action, program, declared.where)
    for variable in _variables(entry):
        yield Capability("send", f"{variable} to {argv[0]}", declared.where)


def _remote(note: str, declared: ToolEntry, raw: _RawEntry) -> Iterator[Capability]:
    options, entry = declared.options, raw()
    place = _destination(options["url"], entry) if "url" in options else _document_server(declared)
    yield Capability("connect", place + note + _effects_note(declared), declared.where)
    for host in options.get("hosts", ()):
        yield Capability("connect", str(host), declared.where)
    for variable in _variables(entry):
        yield Capability("send", f"{variable} to {place}", declared.where)


def _effects_note(declared: ToolEntry) -> str:
    """A file's own word that its tool is harmless is told, because calls are not asked about then."""
    effects = declared.options.get("effects")
    return f" (declared as {effects}: not asked about each time)" if effects in ("none", "read") else ""


def _document_server(declared: ToolEntry) -> str:
    """The server of an OpenAPI document; one that cannot be read gives no tools later on."""
    from runner.tools.kinds.openapi import server  # lazy: few agents have one

    try:
        return origin(server(declared.base / declared.options["spec"]))
    except ValueError:
        return f"what {declared.options['spec']} describes"


def _destination(url: str, raw: Mapping[str, Any]) -> str:
    """Where a url leads, without the values of the environment in it, which may be secrets.

    It is shown whole, as it stands in the file, where a variable has a say in its host besides being all of its
    beginning: no part of it could then be left out without hiding where it leads.
    """
    text = str(raw.get("url", url))
    if "${" not in text:
        return origin(url)
    return origin(url) if _FIXED_HOST.match(text) and "://" in url else text


def _command_line(argv: Sequence[Any]) -> str:
    """An argv as one would type it."""
    import shlex  # lazy: only a file that runs something

    return shlex.join(str(each) for each in argv)


_TOOLS: Mapping[str, Callable[[ToolEntry, _RawEntry], Iterator[Capability]]] = {
    "builtin": _builtin,
    "python": _python,
    "command": _command,
    "http": _http,
    "openapi": _openapi,
    "mcp": _mcp,
}
