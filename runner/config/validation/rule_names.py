"""The names in permission rules: whether a rule can match a call of the agent's tools, as far as its file tells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from runner.config.diagnostics import Severity
from runner.core.errors import AgentRunError
from runner.core.spelling import close_names, nearest
from runner.tools.catalogue import BUILT_INS, KINDS, tool_kind, tool_kind_of
from runner.tools.entry import ToolEntry, ToolSettings
from runner.tools.open_tools import open_toolbox
from runner.tools.permission_patterns import MatchableCall, is_about_tool, undotted
from runner.tools.permission_rules import PermissionRule, parse_rule

_GLOBS = frozenset("*?")
_SIMILAR = 0.75


class RuleProblem(NamedTuple):
    """Why a rule can match no call; `hint` is the nearest name. A warning where it may be meant for other agents."""

    message: str
    hint: str = ""
    severity: Severity = "error"


def rule_problem(rule: str, tools: Sequence[ToolEntry]) -> RuleProblem | None:
    """What is wrong with the names in a rule, given the tools of the agent. Raises UsageError for what is no rule."""
    parsed = parse_rule(rule)
    return _tool_problem(parsed, tools) or _argument_problem(parsed, tools)


def misspelt_everywhere(rule: str) -> RuleProblem | None:
    """A warning where a rule for all agents comes close to a built-in's name or a kind, and is none."""
    head, names = parse_rule(rule).tool, [*_built_in_names()]
    if _GLOBS.intersection(head) or head in names or not (near := close_names(head, names, 1, _SIMILAR)):
        return None
    return RuleProblem(f"no built-in is named {head!r}", f"did you mean {near[0]!r}?", "warning")


def _tool_problem(rule: PermissionRule, tools: Sequence[ToolEntry]) -> RuleProblem | None:
    head = rule.tool
    groups = {entry.name for entry in tools if tool_kind_of(entry).naming == "group"}
    own = {entry.name for entry in tools} - groups
    names = {*own, *groups, *_built_in_names()}
    if "" in groups or _may_match(head, names, own, groups):
        return None
    is_glob = bool(_GLOBS.intersection(head))
    group, dot, _ = head.partition(".")
    if is_glob and dot and not _GLOBS.intersection(group) and (near := close_names(group, {*groups, *KINDS}, 1)):
        return RuleProblem(f"no tool is named {head!r}", f"did you mean {head.replace(group, near[0], 1)!r}?")
    if is_glob:
        return RuleProblem(f"{head!r} matches no tool of this agent", severity="warning")
    unsure = any(
        kind.imports(entry) and not kind.name_is_sure(entry) for entry in tools if (kind := tool_kind_of(entry))
    )
    hint = nearest(head, names)
    if unsure and not hint:
        return None  # it may be one of those that a package or a class offers
    return RuleProblem(f"no tool is named {head!r}", hint, "warning" if unsure else "error")


def _may_match(head: str, names: Iterable[str], own: set[str], groups: Iterable[str]) -> bool:
    """Whether it is, or as a glob may be, a known name or one that a server may give."""
    literal = head[: min((head.find(each) for each in _GLOBS if each in head), default=len(head))]
    starts = [f"{group}{separator}" for group in groups for separator in (".", "__")]
    if literal == head:
        return head in names or head.startswith(tuple(starts)) or not own.isdisjoint(undotted(head))
    if any(literal.startswith(start) or start.startswith(literal) for start in starts):
        return True
    return any(fnmatchcase(name, head) for name in names)


def _built_in_names() -> Iterator[str]:
    """Kinds, built-ins, and the tools of those that are several, with a dot as well."""
    yield from (*KINDS, *BUILT_INS)
    offered = [(name, each) for name in KINDS for each in tool_kind(name).offers]
    offered += [("tasks", each) for each in ("add", "mark", "list")]
    yield from (f"{name}{dot}{each}" for name, each in offered for dot in "._")


def _argument_problem(rule: PermissionRule, tools: Sequence[ToolEntry]) -> RuleProblem | None:
    """An argument that no tool has which the rule is about; nothing where one of them is not known from the file."""
    if not rule.argument_patterns:
        return None
    known: set[str] = set()
    for entry in tools:
        found = _arguments_by_tool(rule, entry)
        if found is None:
            return None
        known.update(*found.values())
    missing = [name for name, _ in rule.argument_patterns if name not in known]
    if not known or not missing:
        return None
    hint = nearest(missing[0], known) or f"it has {', '.join(sorted(known))}"
    severity: Severity = "error" if rule.names_one_tool else "warning"
    return RuleProblem(f"{rule.tool} has no argument {missing[0]!r}", hint, severity)


def _arguments_by_tool(rule: PermissionRule, entry: ToolEntry) -> Mapping[str, Iterable[str]] | None:
    """The arguments of those tools of the entry that the rule is about; None where the file does not tell them."""
    kind = tool_kind_of(entry)
    if kind.naming == "group" or (kind.imports(entry) and not kind.name_is_sure(entry)):
        return None if rule.tool == kind.name or _may_match(rule.tool, (), set(), [entry.name]) else {}
    if kind.naming == "own" and entry.name not in BUILT_INS and not _is_about(rule, entry, entry.name):
        return {}
    if not kind.opens_safely(entry) or any(kind.agent_files(entry)):
        return None  # the latter would open others, and perhaps this one again
    try:
        box = open_toolbox([entry], ToolSettings())
    except (AgentRunError, OSError):
        return None  # what is wrong with it is told elsewhere
    try:
        return {
            spec.name: spec.parameters.get("properties", {}) for spec in box.specs if _is_about(rule, entry, spec.name)
        }
    finally:
        box.close()


def _is_about(rule: PermissionRule, entry: ToolEntry, name: str) -> bool:
    kind = "" if tool_kind_of(entry).built_in(entry) and entry.kind not in KINDS else entry.kind
    dotted = frozenset([name.replace("_", ".", 1)]) if name != entry.name else frozenset[str]()
    return is_about_tool(rule, MatchableCall(name, kind, {}, (), dotted))
