"""Permission rules as files and the command line write them: `tool`, `tool(pattern)` or `tool(argument=pattern, …)`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from runner.core.errors import UsageError
from runner.tools.catalogue import KINDS

AGENT_FILE = "the agent file"
USER_FILE = "your configuration"
COMMAND_LINE = "the command line"

_RULE = r"(?s)(?P<tool>[\w.*?-]+)(?:\((?P<pattern>.+)\))?"
_ARGUMENT = r"[A-Za-z_]\w*="


class PermissionRule(NamedTuple):
    """One rule: globs for the tool's name, for the text of a call, and for single arguments."""

    text: str
    tool: str
    call_pattern: str | None = None
    argument_patterns: tuple[tuple[str, str], ...] = ()

    @property
    def names_one_tool(self) -> bool:
        """The tool stands there by its own name, not by a glob or as one of a kind."""
        return not {"*", "?"}.intersection(self.tool) and self.tool not in KINDS


def parse_rule(text: str) -> PermissionRule:
    """Raises UsageError for a text that is no rule."""
    match = re.fullmatch(_RULE, text.strip())
    if match is None:
        raise UsageError(f"{text!r} is no permission rule", fix="write TOOL, TOOL(PATTERN) or TOOL(ARGUMENT=PATTERN)")
    tool, pattern = match["tool"], match["pattern"]
    if pattern is None or not re.match(_ARGUMENT, pattern):
        return PermissionRule(text, tool, pattern)
    parts = (part.partition("=") for part in re.split(rf",\s*(?={_ARGUMENT})", pattern))
    return PermissionRule(text, tool, None, tuple((name, glob) for name, _, glob in parts))


class RuleLayer(NamedTuple):
    """The rules of one source: AGENT_FILE, USER_FILE or COMMAND_LINE."""

    source: str
    allow: tuple[PermissionRule, ...] = ()
    ask: tuple[PermissionRule, ...] = ()
    deny: tuple[PermissionRule, ...] = ()

    @classmethod
    def of(
        cls, source: str, *, allow: Iterable[str] = (), ask: Iterable[str] = (), deny: Iterable[str] = ()
    ) -> RuleLayer:
        """Raises UsageError for a rule that is malformed."""
        return cls(source, *(tuple(parse_rule(text) for text in texts) for texts in (allow, ask, deny)))
