"""Whether a permission rule's patterns match a call: globs on the tool's name, on the call's text, on its arguments."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from runner.core.messages import ToolCall, ToolSpec
from runner.tools.context import ToolFailed
from runner.tools.permission_rules import PermissionRule
from runner.tools.protocols import Tool


class MatchableCall(NamedTuple):
    """A call as patterns see it.

    `arguments` have their defaults filled in and are in their one spelling; `texts` are what a call pattern is held
    against, the truest first: a command's line, a request's, the arguments as JSON of other tools. `dotted` are the
    names by which a rule may know the tool of a group or a server, `spellings` gives a pattern in its one spelling.
    """

    name: str
    kind: str
    arguments: Mapping[str, Any]
    texts: tuple[str, ...]
    dotted: frozenset[str] = frozenset()
    spellings: Callable[[str], tuple[str, ...]] = lambda pattern: (pattern,)


def matchable_call(tool: Tool | None, spec: ToolSpec, call: ToolCall) -> MatchableCall:
    """The call of the tool that `spec` describes; `tool` is None where there is none to be asked."""
    properties = spec.parameters.get("properties", {})
    defaults = {name: schema["default"] for name, schema in properties.items() if "default" in schema}
    arguments: Mapping[str, Any] = {**defaults, **(call.arguments or {})}
    as_json = (argument_text(arguments),)
    kind = str(getattr(tool, "kind", ""))
    separators = (str(getattr(tool, "separator", "")),) if kind else ("__", "_")  # not opened, it could be of a server
    dotted = frozenset(name for separator in separators for name in _dotted(spec.name, separator))
    spellings = getattr(tool, "pattern_spellings", lambda pattern: (pattern,))
    try:
        if (canonical := getattr(tool, "canonical", None)) is not None:
            arguments = canonical(arguments)
        subjects: Callable[[Mapping[str, Any]], tuple[str, ...]] = getattr(tool, "subjects", lambda _: as_json)
        return MatchableCall(spec.name, kind, arguments, subjects(arguments), dotted, spellings)
    except (AttributeError, LookupError, TypeError, ValueError, ToolFailed):
        # They do not fit the tool, which will not run with them.
        return MatchableCall(spec.name, kind, arguments, as_json, dotted)


def matches(rule: PermissionRule, call: MatchableCall, *, truest_only: bool, groups_only: bool = False) -> bool:
    """Whether the rule is about the call. `truest_only` leaves out all of its texts but the first."""
    texts = call.texts[:1] if truest_only else call.texts
    return is_about_tool(rule, call, groups_only=groups_only) and _fits(rule, call, texts, truest_only=truest_only)


def is_about_tool(rule: PermissionRule, call: MatchableCall, *, groups_only: bool = False) -> bool:
    """By its name, by its kind, or as `group.tool` where it is one of a group or a server.

    A name without a glob may have a dot for `_` and `__` of any tool; not with `groups_only`: what `files.write` allows
    everywhere is not what an agent file calls `files_write`.
    """
    if rule.tool == call.kind or any(_glob(rule.tool, name) for name in (call.name, *call.dotted)):
        return True
    return not groups_only and call.name in undotted(rule.tool)


def undotted(name: str) -> tuple[str, ...]:
    """What a name with dots in it may stand for besides itself."""
    return (name.replace(".", "_"), name.replace(".", "__")) if "." in name else ()


def _dotted(name: str, separator: str) -> Iterator[str]:
    """`server__tool` as `server.tool`, wherever the separator stands."""
    parts = name.split(separator) if separator else []
    for position in range(1, len(parts)):
        yield f"{separator.join(parts[:position])}.{separator.join(parts[position:])}"


def _fits(rule: PermissionRule, call: MatchableCall, texts: tuple[str, ...], *, truest_only: bool) -> bool:
    def fits(pattern: str, text: str) -> bool:
        spellings = call.spellings(pattern)
        return any(_glob(each, text) for each in (spellings[:1] if truest_only else spellings))

    if rule.argument_patterns:
        return all(
            name in call.arguments and (fits if name == "path" else _glob)(pattern, argument_text(call.arguments[name]))
            for name, pattern in rule.argument_patterns
        )
    return rule.call_pattern is None or any(fits(rule.call_pattern, text) for text in texts)


def argument_text(value: Any) -> str:
    """What a pattern is held against: a text as it is, all else as JSON with sorted keys."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def _glob(pattern: str, text: str) -> bool:
    """`*` is any text, `?` one character, all else itself; fnmatch never goes back, however many stars there are."""
    return fnmatchcase(text, pattern.replace("[", "[[]"))
