"""Checks that permission rules and `tool_choice` name tools that exist: a misspelt `deny` would fail open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runner.config.agent_source import AgentSource
from runner.config.diagnostics import Diagnostic
from runner.core.errors import UsageError
from runner.core.spelling import nearest
from runner.tools.catalogue import tool_kind_of
from runner.tools.entry import ToolEntry

_CHOICES = ("auto", "none", "required")


def rule_diagnostics(source: AgentSource, tools: Sequence[ToolEntry]) -> Iterator[Diagnostic]:
    """What is wrong with `permissions:` and `tool_choice:`, given the tools of the file."""
    names = {entry.name for entry in tools if entry.name}
    groups = {entry.name for entry in tools if tool_kind_of(entry).naming != "own"}
    any_name = "" in groups  # an OpenAPI document without a name of its own
    yield from _permissions(source, tools)
    choice = source.value.get("tool_choice", "auto")
    if not source.is_valid("tool_choice") or choice in _CHOICES or choice in names - groups:
        return
    if any_name or any(choice.startswith(f"{group}_") for group in groups):
        return
    hint = nearest(choice, {*_CHOICES, *names}) or f"one of {', '.join([*_CHOICES, *sorted(names)])}"
    yield source.diagnostic(("tool_choice",), f"no tool is named {choice!r}", hint)


def _permissions(source: AgentSource, tools: Sequence[ToolEntry]) -> Iterator[Diagnostic]:
    for decision in ("allow", "ask", "deny"):
        if not source.is_valid("permissions", decision):
            continue
        for index, rule in enumerate(source.value["permissions"][decision]):
            path = ("permissions", decision, index)
            if why := rule_error(rule):
                yield source.diagnostic(path, why)
            else:
                from runner.config.validation.rule_names import rule_problem  # lazy: most files have no rules

                if (problem := rule_problem(rule, tools)) is not None:
                    yield source.diagnostic(path, problem.message, problem.hint, severity=problem.severity)


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
