"""Which calls may run: rules `tool` or `tool(pattern)` in layers, deny over ask over allow, and nothing by accident."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

from runner.core.chunks import parse_arguments
from runner.core.errors import UsageError
from runner.core.messages import Effects, ToolCall, ToolSpec
from runner.tools.catalogue import KINDS
from runner.tools.context import ToolFailed
from runner.tools.protocols import Tool

Decision = Literal["deny", "ask", "allow"]

AGENT_FILE = "the agent file"
USER_FILE = "your configuration"
COMMAND_LINE = "the command line"

_DEFAULTS: Mapping[Effects, Decision] = {"none": "allow", "read": "allow", "write": "ask", "exec": "ask"}
_FORM = re.compile(r"(?P<tool>[\w.*?-]+)(?:\((?P<pattern>.+)\))?", re.DOTALL)
_KEYED = re.compile(r"[A-Za-z_]\w*=")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `whole` is the glob for the text that stands for a call, `keyed` are globs for single arguments."""

    text: str
    tool: str
    whole: str | None = None
    keyed: tuple[tuple[str, str], ...] = ()

    @property
    def names_one(self) -> bool:
        """The tool stands there by its own name, not by a glob or as one of a kind."""
        return not {"*", "?"}.intersection(self.tool) and self.tool not in KINDS


def parse_rule(text: str) -> Rule:
    """The rule that a text states: `tool`, `tool(glob)` or `tool(argument=glob, …)`. Raises UsageError."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is no permission rule", fix="write TOOL, TOOL(PATTERN) or TOOL(ARGUMENT=PATTERN)")
    tool, pattern = match["tool"], match["pattern"]
    if pattern is None or not _KEYED.match(pattern):
        return Rule(text, tool, pattern)
    parts = (part.partition("=") for part in re.split(rf",\s*(?={_KEYED.pattern})", pattern))
    return Rule(text, tool, None, tuple((key, glob) for key, _, glob in parts))


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one source. Raises UsageError for one that is malformed."""

    source: str
    allow: tuple[Rule, ...] = ()
    ask: tuple[Rule, ...] = ()
    deny: tuple[Rule, ...] = ()

    @classmethod
    def of(cls, source: str, *, allow: Iterable[str] = (), ask: Iterable[str] = (), deny: Iterable[str] = ()) -> Rules:
        return cls(source, *(tuple(parse_rule(each) for each in rules) for rules in (allow, ask, deny)))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a call, and the rule and source that decided; no rule where the tool's effects did."""

    decision: Decision
    rule: str = ""
    source: str = ""

    @property
    def reason(self) -> str:
        return f"{self.decision}: {self.rule} in {self.source}" if self.rule else self.source


class Gate:
    """Decides for each call. `layers` are the sources of rules, `find` gives the tool behind a name.

    In this order: a deny of any source; an allow of the command line; an ask of any source; an allow. What no rule
    names is decided by its effects: write and exec are asked for. An agent file's allow counts for that only where it
    names the tool itself, without a glob and not by its kind, so no file can allow all.
    """

    def __init__(self, layers: Iterable[Rules], find: Callable[[str], Tool | None] = lambda name: None) -> None:
        self._layers = tuple(layers)
        self._find = find

    def decide(self, call: ToolCall, spec: ToolSpec) -> Verdict:
        """The verdict on a call of the tool that `spec` describes."""
        default = _by_effects(spec)
        matching = list(self._matching(call, spec))
        for decision, only in (("deny", None), ("allow", COMMAND_LINE), ("ask", None), ("allow", None)):
            for each, rule in matching:
                if each.decision == decision and only in (None, each.source) and _counts(each, rule, default):
                    return each
        return default

    def stands_for(self, call: ToolCall, spec: ToolSpec) -> str:
        """What the call comes to, for a person to judge: a command's line, a request's, the arguments of others."""
        return _about(self._find(spec.name), spec, call)[1][0]

    def explain(self, call: ToolCall, spec: ToolSpec) -> str:
        """Every rule that matches the call, and which one decides."""
        verdict = self.decide(call, spec)
        lines = [f"{spec.name} {json.dumps(dict(call.arguments or {}), ensure_ascii=False)}"]
        for each, rule in self._matching(call, spec):
            idle = "" if _counts(each, rule, _by_effects(spec)) else ", which spares no question: it names no one tool"
            lines.append(f"  matches {each.reason}{idle}")
        lines.append(f"  {verdict.decision}, because {'of ' if verdict.rule else ''}{verdict.reason}")
        return "\n".join(lines)

    def _matching(self, call: ToolCall, spec: ToolSpec) -> Iterator[tuple[Verdict, Rule]]:
        tool = self._find(spec.name)
        kind = str(getattr(tool, "kind", ""))
        arguments, texts = _about(tool, spec, call)
        for layer in self._layers:
            rules: Mapping[Decision, tuple[Rule, ...]] = {"deny": layer.deny, "ask": layer.ask, "allow": layer.allow}
            for decision, listed in rules.items():
                heard = texts[:1] if decision == "allow" else texts
                for rule in listed:
                    if _names(rule, spec.name, kind) and _fits(rule, heard, arguments):
                        yield Verdict(decision, rule.text, layer.source), rule


def parse_call(text: str) -> ToolCall:
    """The call that `tool({"argument": …})` spells out. Raises UsageError."""
    match = re.fullmatch(r"\s*([\w.-]+)\s*(?:\((.*)\))?\s*", text, re.DOTALL)
    arguments, problem = parse_arguments(match[2] or "") if match else (None, "")
    if match is None or arguments is None:
        raise UsageError(f"{text!r} is no call", why=problem, fix='write it as \'tool({"argument": "value"})\'')
    return ToolCall("", match[1], arguments, match[2] or "")


def _by_effects(spec: ToolSpec) -> Verdict:
    return Verdict(_DEFAULTS.get(spec.effects, "ask"), "", f"its effects are {spec.effects!r}")


def _counts(verdict: Verdict, rule: Rule, default: Verdict) -> bool:
    """Whether a matching rule may decide: a file's allow by glob or kind spares no question."""
    loosens = verdict.decision == "allow" and default.decision != "allow"
    return rule.names_one or not (loosens and verdict.source == AGENT_FILE)


def _names(rule: Rule, name: str, kind: str) -> bool:
    """Whether the rule is about this tool: by its name, with dots for `_` or `__`, or by its kind."""
    spellings = {rule.tool, rule.tool.replace(".", "_"), rule.tool.replace(".", "__")}
    return rule.tool == kind or any(_glob(each, name) for each in spellings)


def _fits(rule: Rule, texts: tuple[str, ...], arguments: Mapping[str, Any]) -> bool:
    if rule.keyed:
        return all(key in arguments and _glob(glob, _written(arguments[key])) for key, glob in rule.keyed)
    return rule.whole is None or any(_glob(rule.whole, text) for text in texts)


def _about(tool: Tool | None, spec: ToolSpec, call: ToolCall) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The call's arguments, with the defaults filled in and in their one spelling, and the texts that stand for it."""
    properties = spec.parameters.get("properties", {})
    defaults = {name: schema["default"] for name, schema in properties.items() if "default" in schema}
    arguments: Mapping[str, Any] = {**defaults, **(call.arguments or {})}
    plain = (json.dumps(arguments, sort_keys=True, ensure_ascii=False),)
    try:
        if (canonical := getattr(tool, "canonical", None)) is not None:
            arguments = canonical(arguments)
        subjects: Callable[[Mapping[str, Any]], tuple[str, ...]] = getattr(tool, "subjects", lambda _: plain)
        return arguments, subjects(arguments)
    except (AttributeError, LookupError, TypeError, ValueError, ToolFailed):
        return arguments, plain  # they do not fit the tool, which will not run with them


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def _glob(pattern: str, text: str) -> bool:
    """`*` is any text, `?` one character, all else itself; fnmatch never goes back, however many stars there are."""
    return fnmatchcase(text, pattern.replace("[", "[[]"))
