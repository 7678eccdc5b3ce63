"""Whether a tool call may run: the permission rules decide, and where they say `ask`, the user does."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING, NamedTuple

from runner.core.errors import UsageError
from runner.core.messages import ToolCall, ToolSpec
from runner.tools import Tools

if TYPE_CHECKING:
    from runner.tools.permission_rules import PermissionRule
    from runner.tools.permissions import PermissionDecision, PermissionPolicy

PermissionCheck = Callable[[ToolCall], str | None]
"""Whether a call may run: None if it may, else the reason why not."""


class ApprovalRequest(NamedTuple):
    """Why a call is asked about, and what helps a person to judge it.

    `text` is what the call comes to: a command's line, a request's, a path, or the arguments as JSON. `preview` is what
    it would change, as a diff; empty where the tool cannot tell. `rule` stands for exactly this call. `is_matched_by`
    tells whether a rule is about this call, and raises UsageError for a text that is no rule. `asking_rule` is the rule
    that asks, empty where the tool's effects do.
    """

    reason: str
    text: str
    description: str
    preview: str
    rule: str
    is_matched_by: Callable[[str], bool]
    asking_rule: str = ""

    def __str__(self) -> str:
        return f"{self.reason}: {self.text}"


Approve = Callable[[ToolCall, ApprovalRequest], str]
"""Asks the user whether a call may run: `yes`, `no`, `always` (this tool, in this session) or `always RULE`."""


class ToolApproval:
    """A PermissionCheck by rules and by the user's approval.

    `load_policy` is called when the first call wants to run. `approve` is as Approve says; None means that nobody can
    be asked, and then what would be asked is refused.
    """

    def __init__(
        self, load_policy: Callable[[], PermissionPolicy], tools: Tools, approve: Approve | None = None
    ) -> None:
        self._load_policy = load_policy
        self._tools = tools
        self._approve = approve
        self._approved_calls: set[str] = set()
        self._approved_rules: list[PermissionRule] = []

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
        if permission.decision == "allow" or self._is_approved(call, spec):
            return None
        if self._approve is None:
            return f"{spec.name} needs approval ({permission.reason}), and nobody is there to give it"
        request = self._request(call, spec, permission)
        answer, _, rule = self._approve(call, request).partition(" ")
        if answer == "always":
            self._approve_from_now_on(rule or spec.name, request)
        return None if answer in {"yes", "always"} else "the user said no"

    def _is_approved(self, call: ToolCall, spec: ToolSpec) -> bool:
        if self._approved_calls and _exact_rule(spec, self._policy.call_text(call, spec)) in self._approved_calls:
            return True
        return any(self._policy.matches(rule, call, spec) for rule in self._approved_rules)

    def _request(self, call: ToolCall, spec: ToolSpec, permission: PermissionDecision) -> ApprovalRequest:
        text = self._policy.call_text(call, spec)
        preview = self._policy.preview(call, spec)
        matches = partial(self._matches, call, spec)
        exact, reason = _exact_rule(spec, text), permission.reason
        return ApprovalRequest(reason, text, spec.description, preview, exact, matches, permission.rule)

    def _matches(self, call: ToolCall, spec: ToolSpec, rule: str) -> bool:
        from runner.tools.permission_rules import parse_rule  # lazy: few calls are asked about

        return self._policy.matches(parse_rule(rule), call, spec)

    def _approve_from_now_on(self, rule: str, request: ApprovalRequest) -> None:
        from runner.tools.permission_rules import parse_rule  # lazy, as above

        if rule == request.rule:  # kept as it is: a `*` in the call's own text is no glob
            self._approved_calls.add(rule)
        elif request.is_matched_by(rule):
            self._approved_rules.append(parse_rule(rule))
        else:
            raise UsageError(f"the rule {rule!r} is not about this call", fix=f"answer 'always {request.rule}'")


def _exact_rule(spec: ToolSpec, text: str) -> str:
    return f"{spec.name}({text})"
