"""Whether a tool call may run: the permission rules decide, and where they say `ask`, the user does."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from runner.core.messages import ToolCall
from runner.tools import Tools

if TYPE_CHECKING:
    from runner.tools.permissions import Gate

PermissionCheck = Callable[[ToolCall], str | None]
"""Whether a call may run: None if it may, else the reason why not."""

Approve = Callable[[ToolCall, str], str]
"""Asks the user whether a call may run, with the reason for asking: yes, no or always."""


class ToolApproval:
    """A PermissionCheck by rules and by the user's approval.

    `load_rules` is called when the first call wants to run. `approve` answers yes, no or always (for that tool, while
    the session lasts); None means that nobody can be asked, and then what would be asked is refused.
    """

    def __init__(self, load_rules: Callable[[], Gate], tools: Tools, approve: Approve | None = None) -> None:
        self._load_rules = load_rules
        self._tools = tools
        self._approve = approve
        self._always: set[str] = set()

    @cached_property
    def _rules(self) -> Gate:
        return self._load_rules()

    def __call__(self, call: ToolCall) -> str | None:
        spec = self._tools.spec(call.name)
        if spec is None or call.arguments is None:
            return None  # the toolbox says better what is wrong with it
        verdict = self._rules.decide(call, spec)
        if verdict.decision == "deny":
            return verdict.reason
        if verdict.decision == "allow" or spec.name in self._always:
            return None
        if self._approve is None:
            return f"{spec.name} needs approval ({verdict.reason}), and nobody is there to give it"
        from runner.core.sanitize import escape_line  # lazy: most calls are not asked about

        answer = self._approve(call, f"{verdict.reason}: {escape_line(self._rules.stands_for(call, spec))}")
        if answer == "always":
            self._always.add(spec.name)
        return None if answer in {"yes", "always"} else "the user said no"
