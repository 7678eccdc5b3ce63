"""What a server lists, judged tool by tool: one that cannot be used is left out with the reason, the others stay."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.core.messages import Effects, ToolSpec
from runner.core.sanitize import strip_invisible
from runner.tools.argument_validator import Checker
from runner.tools.schema_refs import inlined
from runner.tools.tool_names import qualified

LONGEST_DESCRIPTION = 8_000


@dataclass(frozen=True, slots=True)
class Listed:
    """A tool that can be used, and the name its server knows it by."""

    remote: str
    spec: ToolSpec


@dataclass(frozen=True, slots=True)
class Listing:
    """The usable tools in the server's order, and why each of the others is not, both by the server's names."""

    tools: tuple[Listed, ...]
    refused: Mapping[str, str]

    def kept(self, wanted: Collection[str] | None, besides: Collection[str] = ()) -> Listing:
        """What is left of it where the file names the tools it wants; a name that stands for nothing is a refusal."""
        if wanted is None:
            return self
        tools = tuple(each for each in self.tools if each.remote in wanted)
        known = {each.remote for each in self.tools} | self.refused.keys()
        missing = [each for each in wanted if each not in known and each not in besides]
        refused = {name: why for name, why in self.refused.items() if name in wanted}
        return Listing(tools, refused | dict.fromkeys(missing, f"there is none; the server has {_some(known)}"))


def judge(server: str, raw: Sequence[Any], effects: Effects) -> Listing:
    """The listing of what the server sent."""
    tools: dict[str, Listed] = {}
    refused: dict[str, str] = {}
    for entry in raw:
        remote = entry.get("name") if isinstance(entry, Mapping) else None
        if not isinstance(remote, str) or not remote:
            refused[""] = "it has no name"
            continue
        name = qualified(server, remote)
        try:
            if name in tools:
                raise ValueError(f"{tools[name].remote!r} came first and has the same name here")
            tools[name] = Listed(remote, _spec(name, entry, effects))
        except ValueError as problem:
            refused[remote] = str(problem).partition("\n")[0]
    return Listing(tuple(tools.values()), refused)


def _spec(name: str, entry: Mapping[str, Any], effects: Effects) -> ToolSpec:
    """Raises ValueError."""
    schema = entry.get("inputSchema")
    if not isinstance(schema, Mapping):
        raise ValueError("its inputSchema is missing")
    if schema.get("type") != "object":
        raise ValueError(f"its inputSchema must have type 'object', not {schema.get('type')!r}")
    parameters = _described(inlined(schema, schema))
    parameters.setdefault("properties", {})
    Checker(parameters).problems({})
    if hidden := next((each for each in parameters["properties"] if strip_invisible(each) != each), None):
        raise ValueError(f"its argument {hidden!r} has invisible characters in its name")
    description = entry.get("description") or entry.get("title") or ""
    return ToolSpec(name, strip_invisible(str(description))[:LONGEST_DESCRIPTION], parameters, effects)


def _described(schema: Any) -> Any:
    """The schema with readable descriptions."""
    if isinstance(schema, list):
        return [_described(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: strip_invisible(each) if key in ("description", "title") and isinstance(each, str) else _described(each)
        for key, each in schema.items()
    }


def _some(names: Iterable[str]) -> str:
    shown = sorted(strip_invisible(each) for each in names)
    return ", ".join(shown[:20]) + (" …" if len(shown) > 20 else "") or "none"
