"""Checks that permission rules and `tool_choice` name tools that exist: a misspelt `deny` would fail open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runner.config.agent_source import AgentSource
from runner.config.diagnostics import Diagnostic
from runner.core.errors import UsageError
from runner.core.spelling import nearest
from runner.tools.catalogue import BUILT_INS, KINDS, tool_kind, tool_kind_of
from runner.tools.entry import ToolEntry

_CHOICES = ("auto", "none", "required")


def rule_diagnostics(source: AgentSource, tools: Sequence[ToolEntry]) -> Iterator[Diagnostic]:
    """What is wrong with `permissions:` and `tool_choice:`, given the tools of the file."""
    names = {entry.name for entry in tools if entry.name}
    groups = {entry.name for entry in tools if tool_kind_of(entry).naming != "own"}
    any_name = "" in groups  # an OpenAPI document without a name of its own
    yield from _permissions(source, names, any_name)
    choice = source.value.get("tool_choice", "auto")
    if not source.is_valid("tool_choice") or choice in _CHOICES or choice in names - groups:
        return
    if any_name or any(choice.startswith(f"{group}_") for group in groups):
        return
    hint = nearest(choice, {*_CHOICES, *names}) or f"one of {', '.join([*_CHOICES, *sorted(names)])}"
    yield source.diagnostic(("tool_choice",), f"no tool is named {choice!r}", hint)


def _permissions(source: AgentSource, names: set[str], any_name: bool) -> Iterator[Diagnostic]:
    for decision in ("allow", "ask", "deny"):
        if not source.is_valid("permissions", decision):
            continue
        for index, rule in enumerate(source.value["permissions"][decision]):
            path = ("permissions", decision, index)
            if why := rule_error(rule):
                yield source.diagnostic(path, why)
            elif not (any_name or _names_a_tool(head := rule.partition("(")[0].strip(), names)):
                yield source.diagnostic(path, f"no tool is named {head!r}", nearest(head, names | KINDS.keys()))


def rule_error(rule: str) -> str:
    """Why a text is not a permission rule; empty if it is one."""
    from runner.tools.permission_rules import parse_rule  # lazy: most files have no rules

    try:
        parse_rule(rule)
    except UsageError as error:
        return error.what
    except ValueError as error:
        return str(error)
    return ""


def _names_a_tool(head: str, names: set[str]) -> bool:
    """Whether it is a tool, a built-in, a kind of tools, or `group.tool` and `server.tool` for one of several."""
    if "*" in head or head in names or head in KINDS or head in BUILT_INS:
        return True
    group, kind = head.partition(".")[0].partition("__")[0], head.partition("_")[0]
    return group in names or group in KINDS or (kind in KINDS and tool_kind(kind).naming == "kind")
