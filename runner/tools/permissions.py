"""Which calls may run: rules in layers, deny over ask over allow, and nothing by accident."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from runner.core.chunks import parse_arguments
from runner.core.errors import UsageError
from runner.core.messages import Effects, ToolCall, ToolSpec
from runner.tools.context import ToolFailed
from runner.tools.permission_patterns import matchable_call, matches
from runner.tools.permission_rules import AGENT_FILE, COMMAND_LINE, USER_FILE, PermissionRule, RuleLayer
from runner.tools.protocols import Tool

Decision = Literal["deny", "ask", "allow"]

_DEFAULTS: Mapping[Effects, Decision] = {"none": "allow", "read": "allow", "write": "ask", "exec": "ask"}


class PermissionDecision(NamedTuple):
    """What becomes of a call, and the rule and source that decided; no rule where the tool's effects did."""

    decision: Decision
    rule: str = ""
    source: str = ""

    @property
    def reason(self) -> str:
        return f"{self.decision}: {self.rule} in {self.source}" if self.rule else self.source


class PermissionPolicy:
    """Decides for each call. `layers` are the sources of rules, `find` gives the tool behind a name.

    In this order: a deny of any source; an allow of the command line; an ask of any source; an allow. What no rule
    names is decided by its effects: write and exec are asked for. An agent file's allow counts for that only where it
    names the tool itself, without a glob and not by its kind, so no file can allow all.
    """

    def __init__(self, layers: Iterable[RuleLayer], find: Callable[[str], Tool | None] = lambda name: None) -> None:
        self._layers = tuple(layers)
        self._find = find

    def decide(self, call: ToolCall, spec: ToolSpec) -> PermissionDecision:
        """The decision on a call of the tool that `spec` describes."""
        default = _by_effects(spec)
        matching = list(self._matching(call, spec))
        for decision, only in (("deny", None), ("allow", COMMAND_LINE), ("ask", None), ("allow", None)):
            for found, rule in matching:
                if found.decision == decision and only in (None, found.source) and _may_decide(found, rule, default):
                    return found
        return default

    def call_text(self, call: ToolCall, spec: ToolSpec) -> str:
        """What the call comes to, for a person to judge: a command's line, a request's, the arguments of others."""
        return matchable_call(self._find(spec.name), spec, call).texts[0]

    def preview(self, call: ToolCall, spec: ToolSpec) -> str:
        """What the call would change, for a person to judge; empty where its tool cannot tell."""
        tool = self._find(spec.name)
        preview: Callable[[Mapping[str, Any]], str] = getattr(tool, "preview", lambda _: "")
        try:
            return preview(matchable_call(tool, spec, call).arguments)
        except (LookupError, TypeError, ValueError, ToolFailed):
            return ""  # the call will fail, and say why

    def matches(self, rule: PermissionRule, call: ToolCall, spec: ToolSpec) -> bool:
        """Whether a rule that allows is about the call."""
        return matches(rule, matchable_call(self._find(spec.name), spec, call), truest_only=True)

    def explain(self, call: ToolCall, spec: ToolSpec) -> str:
        """Every rule that matches the call, and which one decides."""
        decided = self.decide(call, spec)
        lines = [f"{spec.name} {json.dumps(dict(call.arguments or {}), ensure_ascii=False)}"]
        for found, rule in self._matching(call, spec):
            idle = ", which spares no question: it names no one tool"
            lines.append(f"  matches {found.reason}{'' if _may_decide(found, rule, _by_effects(spec)) else idle}")
        lines.append(f"  {decided.decision}, because {'of ' if decided.rule else ''}{decided.reason}")
        return "\n".join(lines)

    def _matching(self, call: ToolCall, spec: ToolSpec) -> Iterator[tuple[PermissionDecision, PermissionRule]]:
        matchable = matchable_call(self._find(spec.name), spec, call)
        for layer in self._layers:
            by_decision: Mapping[Decision, tuple[PermissionRule, ...]] = {
                "deny": layer.deny,
                "ask": layer.ask,
                "allow": layer.allow,
            }
            for decision, rules in by_decision.items():
                allows = decision == "allow"
                for rule in rules:
                    everywhere = allows and layer.source == USER_FILE
                    if matches(rule, matchable, truest_only=allows, groups_only=everywhere):
                        yield PermissionDecision(decision, rule.text, layer.source), rule


def parse_call(text: str) -> ToolCall:
    """The call that `tool({"argument": …})` spells out. Raises UsageError."""
    match = re.fullmatch(r"\s*([\w.-]+)\s*(?:\((.*)\))?\s*", text, re.DOTALL)
    arguments, problem = parse_arguments(match[2] or "") if match else (None, "")
    if match is None or arguments is None:
        raise UsageError(f"{text!r} is no call", why=problem, fix='write it as \'tool({"argument": "value"})\'')
    return ToolCall("", match[1], arguments, match[2] or "")


def _by_effects(spec: ToolSpec) -> PermissionDecision:
    return PermissionDecision(_DEFAULTS.get(spec.effects, "ask"), "", f"its effects are {spec.effects!r}")


def _may_decide(found: PermissionDecision, rule: PermissionRule, default: PermissionDecision) -> bool:
    """Whether a matching rule may decide: a file's allow by glob or kind spares no question."""
    loosens = found.decision == "allow" and default.decision != "allow"
    return rule.names_one_tool or not (loosens and found.source == AGENT_FILE)
