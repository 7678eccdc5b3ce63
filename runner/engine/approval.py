"""Whether a tool call may run: the permission rules decide, and where they say `ask`, the user does."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from runner.core.messages import ToolCall
from runner.tools import Tools

if TYPE_CHECKING:
    from runner.tools.permissions import PermissionPolicy

PermissionCheck = Callable[[ToolCall], str | None]
"""Whether a call may run: None if it may, else the reason why not."""

Approve = Callable[[ToolCall, str], str]
"""Asks the user whether a call may run, with the reason for asking: yes, no or always."""


class ToolApproval:
    """A PermissionCheck by rules and by the user's approval.

    `load_policy` is called when the first call wants to run. `approve` answers yes, no or always (for that tool, while
    the session lasts); None means that nobody can be asked, and then what would be asked is refused.
    """

    def __init__(
        self, load_policy: Callable[[], PermissionPolicy], tools: Tools, approve: Approve | None = None
    ) -> None:
        self._load_policy = load_policy
        self._tools = tools
        self._approve = approve
        self._always: set[str] = set()

    @cached_property
    def _policy(self) -> PermissionPolicy:
        return self._load_policy()

    def __call__(self, call: ToolCall) -> str | None:
        spec = self._tools.spec(call.name)
        if spec is None or call.arguments is None:
            return None  # the toolbox says better what is wrong with it
        permission = self._policy.decide(call, spec)
        if permission.decision == "deny":
            return permission.reason
        if permission.decision == "allow" or spec.name in self._always:
            return None
        if self._approve is None:
            return f"{spec.name} needs approval ({permission.reason}), and nobody is there to give it"
        from runner.core.sanitize import escape_line  # lazy: most calls are not asked about

        answer = self._approve(call, f"{permission.reason}: {escape_line(self._policy.call_text(call, spec))}")
        if answer == "always":
            self._always.add(spec.name)
        return None if answer in {"yes", "always"} else "the user said no"
